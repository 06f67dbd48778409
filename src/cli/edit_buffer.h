// The text being edited and the cursor in it. Knows no terminal.
//
// Invariant: the text is one or more lines; the cursor stands between code points, never inside one.
#pragma once

#include <string>
#include <string_view>

namespace gristmill::cli {

class EditBuffer {
 public:
  const std::string& text() const { return text_; }
  size_t cursor() const { return cursor_; }
  void set(std::string text);                         // cursor at its end
  void replace(size_t begin, std::string_view with);  // what lies between `begin` and the cursor

  void insert(std::string_view text);
  void erase_before();
  void erase_at();
  void erase_to_line_end();
  void erase_to_line_begin();
  void erase_word_before();

  void left();
  void right();
  void word_left();
  void word_right();
  void line_begin();
  void line_end();
  void end() { cursor_ = text_.size(); }
  bool line_up();  // false: there is none
  bool line_down();

 private:
  size_t before(size_t at) const;
  size_t after(size_t at) const;
  size_t begin_of_line(size_t at) const;
  size_t end_of_line(size_t at) const;
  std::string text_;
  size_t cursor_ = 0;
};

}  // namespace gristmill::cli
