// What reading and writing beyond the local disk needs to know: endpoint, region, credentials, time-outs.
//
// Values come from the caller, then from the environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...). Secrets are never part of a
// message, a plan's text or its serialised form: a plan made again elsewhere takes them from the environment there.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include <arrow/result.h>

namespace gristmill::io {

struct StorageOptions {
  std::string endpoint;  // of an S3-compatible store, e.g. "http://127.0.0.1:9000"; empty = AWS
  std::string region;
  std::string access_key, secret_key, session_token;
  std::string bearer_token;  // of http(s): what the server wants to see
  std::string ca_file;       // PEM certificates to trust besides the system's
  bool path_style = true;
  bool anonymous = false;
  int64_t timeout_ms = 30'000;  // without a byte
  int64_t connect_timeout_ms = 10'000;
  int64_t retries = 8;  // of one request, with growing pauses
};
using StoragePtr = std::shared_ptr<const StorageOptions>;  // null: the environment alone

// Names as users of other engines know them ("endpoint_url", "aws_access_key_id", ...); an unknown one is a plan error.
// The environment fills what is not named.
arrow::Result<StoragePtr> storage_options(const std::map<std::string, std::string>& named);
inline arrow::Result<StoragePtr> or_environment(const StoragePtr& given) { return given != nullptr ? given : storage_options({}); }

}  // namespace gristmill::io
