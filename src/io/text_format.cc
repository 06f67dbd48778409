// Digits by hand where the library's way is slow.

#include "io/text_format.h"

#include <charconv>
#include <cmath>
#include <cstring>

#include "column/float_digits.h"
#include "expr/calendar.h"
#include "expr/parse_text.h"

namespace gristmill::io {
namespace {

void put_two(int64_t v, char* out) {
  out[0] = static_cast<char>('0' + v / 10);
  out[1] = static_cast<char>('0' + v % 10);
}

void append_fraction(int64_t fraction, int64_t units, std::string& out) {
  if (fraction == 0) return;
  out += '.';
  for (int64_t unit = units / 10; fraction != 0; unit /= 10) {
    out += static_cast<char>('0' + fraction / unit);
    fraction %= unit;
  }
}

template <typename T>
void append_any(T v, int precision, std::string& out) {
  char text[400];
  if (precision < 0 || !std::isfinite(v)) {
    out.append(text, put_float(v, text));
  } else {
    const auto end = std::to_chars(text, text + sizeof text, v, std::chars_format::fixed, precision);
    out.append(text, end.ptr);
  }
}

template <typename T>
char* put_any(T v, char* out) {
  if (std::isfinite(v)) return column::write_float(v, {-5, 14, true}, out);
  std::memcpy(out, v != v ? "NaN " : v < 0 ? "-inf" : "inf ", 4);
  return out + (v < 0 ? 4 : 3);
}

}  // namespace

char* put_float(double v, char* out) { return put_any(v, out); }
char* put_float(float v, char* out) { return put_any(v, out); }
void append_float(double v, int precision, std::string& out) { append_any(v, precision, out); }
void append_float(float v, int precision, std::string& out) { append_any(v, precision, out); }

void append_date(int64_t days, std::string& out) {
  const expr::Civil c = days >= expr::kFastDaysLow && days < expr::kFastDaysHigh ? expr::fast_civil_of_days(static_cast<int32_t>(days))
                                                                                 : expr::civil_of_days(days);
  char text[32];
  if (c.year < 0 || c.year > 9999) {
    out += expr::write_date(days, text);
    return;
  }
  put_two(c.year / 100, text);
  put_two(c.year % 100, text + 2);
  text[4] = text[7] = '-';
  put_two(c.month, text + 5);
  put_two(c.day, text + 8);
  out.append(text, 10);
}

void append_clock(int64_t value, int64_t units, std::string& out) {
  const int64_t seconds = value / units;
  char text[8];
  put_two(seconds / 3600 % 100, text);
  text[2] = text[5] = ':';
  put_two(seconds / 60 % 60, text + 3);
  put_two(seconds % 60, text + 6);
  out.append(text, 8);
  append_fraction(value - seconds * units, units, out);
}

void append_timestamp(int64_t value, int64_t units, bool zoned, char between, std::string& out) {
  const int64_t days = expr::floor_divide(value, units * 86400);
  append_date(days, out);
  out += between;
  append_clock(value - days * 86400 * units, units, out);
  if (zoned) out += 'Z';
}

void append_json_text(std::string_view s, std::string& out) {
  out += '"';
  size_t begin = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    const auto c = static_cast<unsigned char>(s[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(s, begin, i - begin);
    begin = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default: {
        constexpr const char* kHex = "0123456789abcdef";
        out += {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
      }
    }
  }
  out.append(s, begin, s.size() - begin);
  out += '"';
}

}  // namespace gristmill::io
