// Where files lie and how many of them make a table: what all formats have in common.
//
//   scan_parquet("s3://lake/trips/", {.storage = {{"endpoint", "http://127.0.0.1:9000"}}})
//
// A name is a path, a pattern, a directory or a URL (s3://bucket/key, http://, https://). "-" is the standard input or output.
#pragma once

#include <map>
#include <string>

namespace gristmill {

// endpoint, region, access_key, secret_key, session_token, path_style, anonymous, ca_file, timeout_ms, connect_timeout_ms, retries.
// What is not named comes from the environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...). Secrets are never printed or serialised.
using StorageOptions = std::map<std::string, std::string>;

struct FileOptions {
  StorageOptions storage;
};

struct SinkOptions {
  StorageOptions storage;
};

}  // namespace gristmill
