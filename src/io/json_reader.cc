// The grammar of JSON. Strings are scanned 16 bytes at a time.

#include "io/json_reader.h"

#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace gristmill::io {
namespace {

// The first quote, backslash or control character; blocks can be read 64 bytes beyond their end.
const char* find_special(const char* p, const char* end) {
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

bool is_digit(char c) { return static_cast<unsigned>(c - '0') < 10; }

bool hex4(const char* p, const char* end, uint32_t& out) {
  if (end - p < 4) return false;
  out = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = p[i], lower = static_cast<char>(c | 0x20);
    const int d = is_digit(c) ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
    if (d < 0) return false;
    out = out * 16 + static_cast<uint32_t>(d);
  }
  return true;
}

void append_utf8(uint32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
  } else if (c < 0x10000) {
    out += {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)), static_cast<char>(0x80 | (c & 63))};
  } else {
    out += {static_cast<char>(0xf0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 63)), static_cast<char>(0x80 | (c >> 6 & 63)),
            static_cast<char>(0x80 | (c & 63))};
  }
}

}  // namespace

JsonKind JsonCursor::peek() {
  blanks();
  if (p_ >= end_) return JsonKind::kWrong;
  switch (*p_) {
    case 'n': return JsonKind::kNull;
    case 't':
    case 'f': return JsonKind::kBool;
    case '"': return JsonKind::kText;
    case '[': return JsonKind::kList;
    case '{': return JsonKind::kObject;
    default: return *p_ == '-' || is_digit(*p_) ? JsonKind::kNumber : JsonKind::kWrong;
  }
}

bool JsonCursor::take(char c) {
  if (p_ < end_ && *p_ == c) {
    ++p_;
    return true;
  }
  blanks();
  if (p_ >= end_ || *p_ != c) return false;
  ++p_;
  return true;
}

bool JsonCursor::at_end() {
  blanks();
  return p_ >= end_;
}

bool JsonCursor::take_text(std::string_view& raw, bool& escaped) {
  if (!take('"')) return false;
  const char* const begin = p_;
  escaped = false;
  while (true) {
    p_ = find_special(p_, end_);
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

bool JsonCursor::unescape(std::string_view raw, std::string& room) {
  room.clear();
  const char* p = raw.data();
  const char* const end = p + raw.size();
  while (p < end) {
    if (*p != '\\') {
      const auto* stop = static_cast<const char*>(std::memchr(p, '\\', static_cast<size_t>(end - p)));
      room.append(p, stop == nullptr ? end : stop);
      if (stop == nullptr) break;
      p = stop;
      continue;
    }
    if (end - p < 2) return false;
    const char c = p[1];
    p += 2;
    switch (c) {
      case '"':
      case '\\':
      case '/': room += c; break;
      case 'b': room += '\b'; break;
      case 'f': room += '\f'; break;
      case 'n': room += '\n'; break;
      case 'r': room += '\r'; break;
      case 't': room += '\t'; break;
      case 'u': {
        uint32_t high, low;
        if (!hex4(p, end, high)) return false;
        p += 4;
        if (high >= 0xd800 && high < 0xdc00) {
          if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || !hex4(p + 2, end, low) || low < 0xdc00 || low > 0xdfff) return false;
          p += 6;
          high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        } else if (high >= 0xdc00 && high < 0xe000) {
          return false;
        }
        append_utf8(high, room);
        break;
      }
      default: return false;
    }
  }
  return true;
}

bool JsonCursor::take_word(std::string_view word) {
  blanks();
  if (static_cast<size_t>(end_ - p_) < word.size() || std::memcmp(p_, word.data(), word.size()) != 0) return false;
  p_ += word.size();
  return true;
}

bool JsonCursor::take_number(std::string_view& text, bool& integral) {
  blanks();
  const char* const begin = p_;
  const char* p = p_;
  integral = true;
  if (p < end_ && *p == '-') ++p;
  if (p >= end_ || !is_digit(*p)) return false;
  if (*p == '0') {
    ++p;
  } else {
    while (p < end_ && is_digit(*p)) ++p;
  }
  if (p < end_ && *p == '.') {
    integral = false;
    if (++p >= end_ || !is_digit(*p)) return false;
    while (p < end_ && is_digit(*p)) ++p;
  }
  if (p < end_ && (*p | 0x20) == 'e') {
    integral = false;
    ++p;
    if (p < end_ && (*p == '+' || *p == '-')) ++p;
    if (p >= end_ || !is_digit(*p)) return false;
    while (p < end_ && is_digit(*p)) ++p;
  }
  p_ = p;
  text = {begin, static_cast<size_t>(p - begin)};
  return true;
}

bool JsonCursor::skip_value(int depth) {
  if (depth > kMostDepth) return false;
  std::string_view text;
  bool flag;
  switch (peek()) {
    case JsonKind::kNull: return take_word("null");
    case JsonKind::kBool: return take_word("true") || take_word("false");
    case JsonKind::kNumber: return take_number(text, flag);
    case JsonKind::kText: return take_text(text, flag);
    case JsonKind::kList:
      take('[');
      if (take(']')) return true;
      do {
        if (!skip_value(depth + 1)) return false;
      } while (take(','));
      return take(']');
    case JsonKind::kObject:
      take('{');
      if (take('}')) return true;
      do {
        if (!take_text(text, flag) || !take(':') || !skip_value(depth + 1)) return false;
      } while (take(','));
      return take('}');
    case JsonKind::kWrong: return false;
  }
  return false;
}

}  // namespace gristmill::io
