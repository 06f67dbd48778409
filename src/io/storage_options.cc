// One table of names; the environment's names are those of the AWS tools.

#include "io/storage_options.h"

#include <charconv>
#include <cstdlib>
#include <vector>

#include "base/status.h"

namespace gristmill::io {
namespace {

arrow::Status set_text(std::string& out, const std::string&, const std::string& value) {
  out = value;
  return arrow::Status::OK();
}

arrow::Status set_flag(bool& out, const std::string& name, const std::string& value) {
  if (value != "true" && value != "false" && value != "1" && value != "0") {
    return base::plan_error("storage option \"" + name + "\" must be true or false");
  }
  out = value == "true" || value == "1";
  return arrow::Status::OK();
}

arrow::Status set_number(int64_t& out, const std::string& name, const std::string& value) {
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
  if (error == std::errc() && end == value.data() + value.size() && out >= 0) return arrow::Status::OK();
  return base::plan_error("storage option \"" + name + "\" must be a whole number, 0 or more");
}

using Names = std::vector<const char*>;  // the first is ours
struct Option {
  Names names;
  Names environment;
  arrow::Status (*set)(StorageOptions& o, const std::string& name, const std::string& value);
};

const std::vector<Option>& options() {
  using O = StorageOptions;
  using S = const std::string;
  static const std::vector<Option> kOptions = {
      {{"endpoint", "endpoint_url", "aws_endpoint", "aws_endpoint_url", "endpoint_override"},
       {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"},
       [](O& o, S& n, S& v) { return set_text(o.endpoint, n, v); }},
      {{"region", "aws_region", "aws_default_region"},
       {"AWS_REGION", "AWS_DEFAULT_REGION"},
       [](O& o, S& n, S& v) { return set_text(o.region, n, v); }},
      {{"access_key", "access_key_id", "aws_access_key_id"}, {}, [](O& o, S& n, S& v) { return set_text(o.access_key, n, v); }},
      {{"secret_key", "secret_access_key", "aws_secret_access_key"}, {}, [](O& o, S& n, S& v) { return set_text(o.secret_key, n, v); }},
      {{"session_token", "aws_session_token"}, {}, [](O& o, S& n, S& v) { return set_text(o.session_token, n, v); }},
      {{"bearer_token", "token"}, {}, [](O& o, S& n, S& v) { return set_text(o.bearer_token, n, v); }},
      {{"path_style"}, {}, [](O& o, S& n, S& v) { return set_flag(o.path_style, n, v); }},
      {{"anonymous", "anon", "skip_signature", "aws_skip_signature"}, {}, [](O& o, S& n, S& v) { return set_flag(o.anonymous, n, v); }},
      {{"ca_file", "ca_bundle"},
       {"AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"},
       [](O& o, S& n, S& v) { return set_text(o.ca_file, n, v); }},
      {{"timeout_ms"}, {}, [](O& o, S& n, S& v) { return set_number(o.timeout_ms, n, v); }},
      {{"connect_timeout_ms"}, {}, [](O& o, S& n, S& v) { return set_number(o.connect_timeout_ms, n, v); }},
      {{"retries", "max_retries"}, {}, [](O& o, S& n, S& v) { return set_number(o.retries, n, v); }},
  };
  return kOptions;
}

}  // namespace

arrow::Result<StoragePtr> storage_options(const std::map<std::string, std::string>& named) {
  auto out = std::make_shared<StorageOptions>();
  for (const Option& o : options()) {
    for (const char* name : o.environment) {
      const char* value = std::getenv(name);
      if (value == nullptr || *value == '\0') continue;
      ARROW_RETURN_NOT_OK(o.set(*out, name, value));
      break;
    }
  }
  for (const auto& [name, value] : named) {
    std::vector<std::string> known;
    bool found = false;
    for (const Option& o : options()) {
      known.emplace_back(o.names[0]);
      for (const char* n : o.names) {
        if (name != n) continue;
        found = true;
        ARROW_RETURN_NOT_OK(o.set(*out, name, value));
      }
    }
    if (!found) return base::plan_error("unknown storage option \"" + name + "\"", base::suggest_name(name, known));
  }
  if (out->access_key.empty() != out->secret_key.empty()) {
    return base::plan_error("storage options: access_key and secret_key are given together or not at all");
  }
  return out;
}

}  // namespace gristmill::io
