// Writing and reading the options of table sources.

#include "io/json.h"

#include <simdjson.h>

#include "base/status.h"
#include "expr/json.h"

namespace gristmill::io {

void JsonWriter::begin(std::string_view key) {
  if (!text_.empty()) text_ += ",";
  text_ += expr::json_string(key) + ":";
}

void JsonWriter::add(std::string_view key, std::string_view value) {
  begin(key);
  text_ += expr::json_string(value);
}

void JsonWriter::add(std::string_view key, int64_t value) {
  begin(key);
  text_ += std::to_string(value);
}

void JsonWriter::add(std::string_view key, bool value) {
  begin(key);
  text_ += value ? "true" : "false";
}

void JsonWriter::add(std::string_view key, const std::vector<std::string>& values) {
  begin(key);
  text_ += "[";
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text_ += ",";
    text_ += expr::json_string(values[i]);
  }
  text_ += "]";
}

struct JsonReader::Document {
  simdjson::dom::parser parser;
  simdjson::dom::object object;

  // What `key` holds, as T; nothing when it is not there.
  template <typename T>
  arrow::Result<std::optional<T>> get(std::string_view key, const char* wanted) const {
    simdjson::dom::element element;
    if (object.at_key(key).get(element) == simdjson::NO_SUCH_FIELD) return std::nullopt;
    T value;
    if (element.get(value) != simdjson::SUCCESS) return base::plan_error("source option \"" + std::string(key) + "\" is not " + wanted);
    return value;
  }
};

arrow::Result<JsonReader> JsonReader::parse(const std::string& text) {
  JsonReader out;
  out.document_ = std::make_shared<Document>();
  const auto error = out.document_->parser.parse(text.data(), text.size()).get(out.document_->object);
  if (error != simdjson::SUCCESS) return base::plan_error(std::string("malformed source: ") + simdjson::error_message(error));
  return out;
}

arrow::Result<std::string> JsonReader::text(std::string_view key, std::string fallback) const {
  ARROW_ASSIGN_OR_RAISE(const auto value, document_->get<std::string_view>(key, "a text"));
  return value.has_value() ? std::string(*value) : fallback;
}

arrow::Result<int64_t> JsonReader::number(std::string_view key, int64_t fallback) const {
  ARROW_ASSIGN_OR_RAISE(const auto value, document_->get<int64_t>(key, "a whole number"));
  return value.value_or(fallback);
}

arrow::Result<bool> JsonReader::flag(std::string_view key, bool fallback) const {
  ARROW_ASSIGN_OR_RAISE(const auto value, document_->get<bool>(key, "true or false"));
  return value.value_or(fallback);
}

arrow::Result<std::vector<std::string>> JsonReader::texts(std::string_view key) const {
  std::vector<std::string> out;
  ARROW_ASSIGN_OR_RAISE(const auto list, document_->get<simdjson::dom::array>(key, "a list of texts"));
  if (!list.has_value()) return out;
  for (const auto element : *list) {
    std::string_view value;
    if (element.get(value) != simdjson::SUCCESS)
      return base::plan_error("source option \"" + std::string(key) + "\" is not a list of texts");
    out.emplace_back(value);
  }
  return out;
}

}  // namespace gristmill::io
