// JSON written piece by piece, indented by two; commas, quotes and escapes are its business.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ocp {

class JsonText {
 public:
  explicit JsonText(bool indented = true) : indented_(indented) {}
  JsonText& begin_object() { return begin('{'); }
  JsonText& end_object() { return end('}'); }
  JsonText& begin_list() { return begin('['); }
  JsonText& end_list() { return end(']'); }
  JsonText& key(std::string_view name);
  JsonText& value(std::string_view text);
  JsonText& value(const char* text) { return value(std::string_view(text)); }
  JsonText& value(int64_t number);
  JsonText& value(double number);  // null where JSON has no such number
  JsonText& value(bool truth);
  JsonText& value(const std::vector<std::string>& texts);
  template <typename T>
  JsonText& member(std::string_view name, const T& v) {
    key(name);
    return value(v);
  }
  const std::string& text() const { return text_; }

 private:
  JsonText& begin(char bracket);
  JsonText& end(char bracket);
  void place();  // before a value
  void line();

  const bool indented_;
  std::string text_;
  std::vector<bool> empty_;  // of the open brackets
  bool after_key_ = false;
};

}  // namespace ocp
