// One line of JSON, value by value, straight into columns.
//
// A strict reader: what is skipped is checked for form too. Positions are pointers into the block; what is wrong is kept with the place
// where it was found.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace gristmill::io {

namespace json {

inline bool is_digit(char c) { return static_cast<unsigned>(c - '0') < 10; }

// The first quote, backslash or control character, 16 bytes at a time; blocks can be read 64 bytes beyond their end.
inline const char* find_special(const char* p, const char* end) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), last_control = _mm_set1_epi8(0x1f);
  for (; p < end; p += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i control = _mm_cmpeq_epi8(_mm_max_epu8(v, last_control), last_control);
    const int m = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)), control));
    if (m != 0) {
      p += __builtin_ctz(static_cast<unsigned>(m));
      return p < end ? p : end;
    }
  }
  return end;
#else
  while (p < end && *p != '"' && *p != '\\' && static_cast<unsigned char>(*p) > 0x1f) ++p;
  return p;
#endif
}

}  // namespace json

enum class JsonKind : uint8_t { kNull, kBool, kNumber, kText, kList, kObject, kWrong };

class JsonCursor {
 public:
  JsonCursor(const char* begin, const char* end) : p_(begin), end_(end) {}

  // Behind blanks; the kind of the value that begins here.
  JsonKind peek() {
    if (p_ < end_ && static_cast<unsigned char>(*p_) <= ' ') blanks();
    if (p_ >= end_) return JsonKind::kWrong;
    switch (*p_) {
      case 'n': return JsonKind::kNull;
      case 't':
      case 'f': return JsonKind::kBool;
      case '"': return JsonKind::kText;
      case '[': return JsonKind::kList;
      case '{': return JsonKind::kObject;
      default: return *p_ == '-' || json::is_digit(*p_) ? JsonKind::kNumber : JsonKind::kWrong;
    }
  }
  bool take(char c) {  // behind blanks
    if (p_ < end_ && *p_ == c) {
      ++p_;
      return true;
    }
    blanks();
    if (p_ >= end_ || *p_ != c) return false;
    ++p_;
    return true;
  }
  // Exactly these bytes, here.
  bool take_bytes(std::string_view bytes) {
    if (static_cast<size_t>(end_ - p_) < bytes.size() || std::memcmp(p_, bytes.data(), bytes.size()) != 0) return false;
    p_ += bytes.size();
    return true;
  }
  bool at_end();
  // The inner bytes of a string, escapes as they are; false when it is none.
  bool take_text(std::string_view& raw, bool& escaped) {
    if (!take('"')) return false;
    const char* const begin = p_;
    escaped = false;
    while (true) {
      p_ = json::find_special(p_, end_);
      if (p_ >= end_ || static_cast<unsigned char>(*p_) <= 0x1f) return false;
      if (*p_ == '"') break;
      escaped = true;
      p_ += 2;
      if (p_ > end_) {
        p_ = end_;
        return false;
      }
    }
    raw = {begin, static_cast<size_t>(p_ - begin)};
    ++p_;
    return true;
  }
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
