// The JSON objects in which table sources travel: flat, with texts, numbers, flags and lists of texts.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>

namespace gristmill::io {

class JsonWriter {
 public:
  void add(std::string_view key, std::string_view value);
  void add(std::string_view key, const char* value) { add(key, std::string_view(value)); }
  void add(std::string_view key, int64_t value);
  void add(std::string_view key, bool value);
  void add(std::string_view key, const std::vector<std::string>& values);
  std::string finish() const { return "{" + text_ + "}"; }

 private:
  void begin(std::string_view key);
  std::string text_;
};

// Keys that are not there give the fallback; a value of another type is a plan error naming the key.
class JsonReader {
 public:
  static arrow::Result<JsonReader> parse(const std::string& text);
  arrow::Result<std::string> text(std::string_view key, std::string fallback = {}) const;
  arrow::Result<int64_t> number(std::string_view key, int64_t fallback) const;
  arrow::Result<bool> flag(std::string_view key, bool fallback) const;
  arrow::Result<std::vector<std::string>> texts(std::string_view key) const;

 private:
  struct Document;
  std::shared_ptr<Document> document_;
};

}  // namespace gristmill::io
