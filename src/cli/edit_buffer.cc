// UTF-8: a step is a byte that begins a code point and those that continue it.

#include "cli/edit_buffer.h"

#include <algorithm>
#include <cctype>

namespace gristmill::cli {
namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }
bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80); }

}  // namespace

size_t EditBuffer::before(size_t at) const {
  if (at == 0) return 0;
  do --at;
  while (at > 0 && continues(text_[at]));
  return at;
}

size_t EditBuffer::after(size_t at) const {
  if (at >= text_.size()) return text_.size();
  do ++at;
  while (at < text_.size() && continues(text_[at]));
  return at;
}

size_t EditBuffer::begin_of_line(size_t at) const {
  if (at == 0) return 0;
  const size_t newline = text_.rfind('\n', at - 1);
  return newline == std::string::npos ? 0 : newline + 1;
}

size_t EditBuffer::end_of_line(size_t at) const { return std::min(text_.find('\n', at), text_.size()); }

void EditBuffer::set(std::string text) {
  text_ = std::move(text);
  cursor_ = text_.size();
}

void EditBuffer::replace(size_t begin, std::string_view with) {
  text_.replace(begin, cursor_ - begin, with);
  cursor_ = begin + with.size();
}

void EditBuffer::insert(std::string_view text) { replace(cursor_, text); }

void EditBuffer::erase_before() {
  const size_t from = before(cursor_);
  text_.erase(from, cursor_ - from);
  cursor_ = from;
}

void EditBuffer::erase_at() { text_.erase(cursor_, after(cursor_) - cursor_); }

void EditBuffer::erase_to_line_end() {
  const size_t end = end_of_line(cursor_);
  text_.erase(cursor_, std::max(end - cursor_, static_cast<size_t>(end == cursor_ && end < text_.size())));
}

void EditBuffer::erase_to_line_begin() {
  const size_t begin = begin_of_line(cursor_);
  text_.erase(begin, cursor_ - begin);
  cursor_ = begin;
}

void EditBuffer::erase_word_before() {
  const size_t end = cursor_;
  word_left();
  text_.erase(cursor_, end - cursor_);
}

void EditBuffer::left() { cursor_ = before(cursor_); }
void EditBuffer::right() { cursor_ = after(cursor_); }

void EditBuffer::word_left() {
  while (cursor_ > 0 && !in_word(text_[cursor_ - 1])) --cursor_;
  while (cursor_ > 0 && in_word(text_[cursor_ - 1])) --cursor_;
}

void EditBuffer::word_right() {
  while (cursor_ < text_.size() && !in_word(text_[cursor_])) ++cursor_;
  while (cursor_ < text_.size() && in_word(text_[cursor_])) ++cursor_;
}

void EditBuffer::line_begin() { cursor_ = begin_of_line(cursor_); }
void EditBuffer::line_end() { cursor_ = end_of_line(cursor_); }

bool EditBuffer::line_up() {
  const size_t begin = begin_of_line(cursor_);
  if (begin == 0) return false;
  const size_t column = cursor_ - begin, above = begin_of_line(begin - 1);
  cursor_ = std::min(above + column, begin - 1);
  while (cursor_ > above && cursor_ < text_.size() && continues(text_[cursor_])) --cursor_;
  return true;
}

bool EditBuffer::line_down() {
  const size_t end = end_of_line(cursor_);
  if (end == text_.size()) return false;
  const size_t column = cursor_ - begin_of_line(cursor_);
  cursor_ = std::min(end + 1 + column, end_of_line(end + 1));
  while (cursor_ > end + 1 && cursor_ < text_.size() && continues(text_[cursor_])) --cursor_;
  return true;
}

}  // namespace gristmill::cli
