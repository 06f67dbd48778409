// Walking UTF-8 by code points. The text is valid UTF-8 (the readers check); what is cut short is read to its end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gristmill::expr {

inline size_t point_size(char lead) {
  const auto c = static_cast<unsigned char>(lead);
  return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}
inline bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

inline std::string_view first_point(std::string_view s) { return s.substr(0, point_size(s[0])); }

inline int64_t count_points(std::string_view s) {
  int64_t n = 0;
  for (char c : s) n += !continues(c);
  return n;
}

// Byte offset of code point `n` (s.size() if there are fewer).
inline size_t offset_of_point(std::string_view s, int64_t n) {
  size_t at = 0;
  for (; n > 0 && at < s.size(); --n) at += point_size(s[at]);
  return at < s.size() ? at : s.size();
}

inline uint32_t read_point(std::string_view p) {  // one code point's bytes
  const auto b = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(p[i])); };
  switch (p.size()) {
    case 1: return b(0);
    case 2: return ((b(0) & 0x1F) << 6) | (b(1) & 0x3F);
    case 3: return ((b(0) & 0x0F) << 12) | ((b(1) & 0x3F) << 6) | (b(2) & 0x3F);
    default: return ((b(0) & 0x07) << 18) | ((b(1) & 0x3F) << 12) | ((b(2) & 0x3F) << 6) | (b(3) & 0x3F);
  }
}

inline void write_point(uint32_t c, std::string& out) {
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6)), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18)), put(0x80 | ((c >> 12) & 0x3F)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

}  // namespace gristmill::expr
