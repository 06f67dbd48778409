#include "json_text.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace ocp {

namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace

void JsonText::line() {
  if (indented_) text_ += "\n" + std::string(2 * empty_.size(), ' ');
}

void JsonText::place() {
  if (!after_key_ && !empty_.empty()) {
    if (!empty_.back()) text_ += ',';
    empty_.back() = false;
    line();
  }
  after_key_ = false;
}

JsonText& JsonText::begin(char bracket) {
  place();
  text_ += bracket;
  empty_.push_back(true);
  return *this;
}

JsonText& JsonText::end(char bracket) {
  const bool empty = empty_.back();
  empty_.pop_back();
  if (!empty) line();
  text_ += bracket;
  return *this;
}

JsonText& JsonText::key(std::string_view name) {
  place();
  text_ += quoted(name) + (indented_ ? ": " : ":");
  after_key_ = true;
  return *this;
}

JsonText& JsonText::value(std::string_view text) {
  place();
  text_ += quoted(text);
  return *this;
}

JsonText& JsonText::value(int64_t number) {
  place();
  text_ += std::to_string(number);
  return *this;
}

JsonText& JsonText::value(double number) {
  place();
  char text[32];
  const auto [end, failed] = std::to_chars(text, text + sizeof text, number);
  text_ += std::isfinite(number) && failed == std::errc() ? std::string(text, end) : "null";
  return *this;
}

JsonText& JsonText::value(bool truth) {
  place();
  text_ += truth ? "true" : "false";
  return *this;
}

JsonText& JsonText::value(const std::vector<std::string>& texts) {
  begin_list();
  for (const std::string& t : texts) value(t);
  return end_list();
}

}  // namespace ocp
