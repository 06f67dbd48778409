// Where files lie and how many of them make a table: what all formats have in common.
//
//   scan_parquet("s3://lake/trips/", {.storage = {{"endpoint", "http://127.0.0.1:9000"}}})
//
// A name is a path, a pattern, a directory or a URL (s3://bucket/key, http://, https://). "-" is the standard input or output.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gristmill {

// endpoint, region, access_key, secret_key, session_token, path_style, anonymous, ca_file, timeout_ms, connect_timeout_ms, retries.
// What is not named comes from the environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...). Secrets are never printed or serialised.
using StorageOptions = std::map<std::string, std::string>;

using ColumnTypes = std::vector<std::pair<std::string, std::string>>;  // name, type as a schema string ("int64", "date")

struct FileOptions {
  StorageOptions storage = {};
  // Folders named key=value become columns. Nothing: when all files have the same keys and were not named one by one.
  std::optional<bool> hive_partitioning = {};
  ColumnTypes hive_schema = {};  // types of some keys; else int64, date or string, whatever fits all values
};

struct SinkOptions {
  StorageOptions storage;
};

}  // namespace gristmill
