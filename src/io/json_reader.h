// One line of JSON, value by value, straight into columns.
//
// A strict reader: what is skipped is checked for form too. Positions are pointers into the block; what is wrong is kept with the place
// where it was found.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gristmill::io {

enum class JsonKind : uint8_t { kNull, kBool, kNumber, kText, kList, kObject, kWrong };

class JsonCursor {
 public:
  JsonCursor(const char* begin, const char* end) : p_(begin), end_(end) {}

  // Behind blanks; the kind of the value that begins here.
  JsonKind peek();
  bool take(char c);  // behind blanks
  bool at_end();
  // The inner bytes of a string, escapes as they are; false when it is none.
  bool take_text(std::string_view& raw, bool& escaped);
  // The text itself; `room` holds it when something was escaped. False for a wrong escape.
  static bool unescape(std::string_view raw, std::string& room);
  bool take_word(std::string_view word);
  bool take_number(std::string_view& text, bool& integral);
  bool skip_value(int depth = 0);

  const char* at() const { return p_; }
  const char* end() const { return end_; }
  void go_to(const char* p) { p_ = p; }
  static constexpr int kMostDepth = 200;

 private:
  void blanks() {
    while (p_ < end_ && (*p_ == ' ' || *p_ == '\t' || *p_ == '\r' || *p_ == '\n')) ++p_;
  }
  const char* p_;
  const char* end_;
};

}  // namespace gristmill::io
