// The grammar of JSON, but for the hottest parts of it (json_reader.h).

#include "io/json_reader.h"

#include <cstring>

namespace gristmill::io {
namespace {

bool hex4(const char* p, const char* end, uint32_t& out) {
  if (end - p < 4) return false;
  out = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = p[i], lower = static_cast<char>(c | 0x20);
    const int d = json::is_digit(c) ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
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

bool JsonCursor::at_end() {
  blanks();
  return p_ >= end_;
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
  if (p >= end_ || !json::is_digit(*p)) return false;
  if (*p == '0') {
    ++p;
  } else {
    while (p < end_ && json::is_digit(*p)) ++p;
  }
  if (p < end_ && *p == '.') {
    integral = false;
    if (++p >= end_ || !json::is_digit(*p)) return false;
    while (p < end_ && json::is_digit(*p)) ++p;
  }
  if (p < end_ && (*p | 0x20) == 'e') {
    integral = false;
    ++p;
    if (p < end_ && (*p == '+' || *p == '-')) ++p;
    if (p >= end_ || !json::is_digit(*p)) return false;
    while (p < end_ && json::is_digit(*p)) ++p;
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
