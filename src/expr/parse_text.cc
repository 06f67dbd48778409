#include "expr/parse_text.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include <arrow/type.h>

#include "column/float_digits.h"
#include "expr/calendar.h"
#include "expr/functions/decimal_power.h"
#include "expr/usual_time.h"

namespace gristmill::expr {
namespace {

bool is_decimal_digit(char c) { return c >= '0' && c <= '9'; }

bool same_word(std::string_view s, std::string_view word) {
  return s.size() == word.size() &&
         std::equal(s.begin(), s.end(), word.begin(), [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

template <typename T>
bool parse_any_float(std::string_view s, T& out) {
  s = trimmed(s);
  bool negative = false;
  std::string_view digits = s;
  if (!digits.empty() && (digits[0] == '+' || digits[0] == '-')) {
    negative = digits[0] == '-';
    digits.remove_prefix(1);
  }
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return false;
  if (!is_decimal_digit(digits[0]) && digits[0] != '.') {
    if (same_word(digits, "nan"))
      out = std::numeric_limits<T>::quiet_NaN();
    else if (same_word(digits, "inf") || same_word(digits, "infinity"))
      out = negative ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::infinity();
    else
      return false;
    return true;
  }
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  if (end.ptr != digits.data() + digits.size()) return false;
  if (end.ec == std::errc::result_out_of_range) {
    // Too large is not a value; too small is zero.
    const size_t e = digits.find_first_of("eE");
    const bool tiny = (e != std::string_view::npos && e + 1 < digits.size() && digits[e + 1] == '-') ||
                      (e == std::string_view::npos && (digits[0] == '0' || digits[0] == '.'));
    if (!tiny) return false;
    out = 0;
  } else if (end.ec != std::errc()) {
    return false;
  }
  if (negative) out = -out;
  return true;
}

// A fixed number of digits.
bool take_digits(std::string_view& s, size_t n, int64_t& out) {
  if (s.size() < n) return false;
  out = 0;
  for (size_t i = 0; i < n; ++i) {
    if (!is_decimal_digit(s[i])) return false;
    out = out * 10 + (s[i] - '0');
  }
  s.remove_prefix(n);
  return true;
}

bool take(std::string_view& s, char c) {
  if (s.empty() || s[0] != c) return false;
  s.remove_prefix(1);
  return true;
}

bool take_date(std::string_view& s, int64_t& days) {
  int64_t year, month, day;
  size_t width = 0;
  while (width < s.size() && is_decimal_digit(s[width])) ++width;
  if (width < 4 || width > 6) return false;
  if (!take_digits(s, width, year) || !take(s, '-') || !take_digits(s, 2, month) || !take(s, '-') || !take_digits(s, 2, day)) return false;
  if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, static_cast<int32_t>(month))) return false;
  days = days_of_civil(year, static_cast<int32_t>(month), static_cast<int32_t>(day));
  return true;
}

// Seconds that the zone at the end of a timestamp is ahead of UTC.
bool take_zone(std::string_view s, int64_t& seconds) {
  seconds = 0;
  if (s.empty()) return true;
  if (s == "Z" || s == "z") return true;
  const bool west = s[0] == '-';
  if (!west && s[0] != '+') return false;
  s.remove_prefix(1);
  int64_t hours, minutes = 0;
  if (!take_digits(s, 2, hours)) return false;
  take(s, ':');
  if (!s.empty() && !take_digits(s, 2, minutes)) return false;
  if (!s.empty() || hours > 15 || minutes > 59) return false;
  seconds = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
  return true;
}

template <typename T>
std::string_view write_any_float(T v, char* out) {
  if (v != v) return "NaN";
  if (std::isinf(v)) return v < 0 ? "-Infinity" : "Infinity";
  // Plain digits where they stay short; a float's own digits count, not its width.
  char text[column::kFloatRoom];
  const auto n = static_cast<size_t>(column::write_float(v, {-4, sizeof(T) == 8 ? 14 : 5, false}, text) - text);
  std::memcpy(out, text, n);
  return {out, n};
}

void two_digits(int64_t v, char* out) {
  out[0] = static_cast<char>('0' + v / 10);
  out[1] = static_cast<char>('0' + v % 10);
}

}  // namespace

std::string_view trimmed(std::string_view s) {
  const auto blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!s.empty() && blank(s.front())) s.remove_prefix(1);
  while (!s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

bool parse_float(std::string_view s, double& out) { return parse_any_float(s, out); }
bool parse_float(std::string_view s, float& out) { return parse_any_float(s, out); }

bool parse_bool(std::string_view s, bool& out) {
  s = trimmed(s);
  for (std::string_view yes : {"true", "t", "yes", "y", "on", "1"}) {
    if (same_word(s, yes)) return out = true;
  }
  out = false;
  for (std::string_view no : {"false", "f", "no", "n", "off", "0"}) {
    if (same_word(s, no)) return true;
  }
  return false;
}

bool parse_decimal(std::string_view s, int precision, int scale, __int128& out) {
  s = trimmed(s);
  out = 0;
  bool negative = false;
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) {
    negative = s[0] == '-';
    s.remove_prefix(1);
  }
  const size_t e = s.find_first_of("eE");
  int64_t exponent = 0;
  if (e != std::string_view::npos && (!parse_integer(s.substr(e + 1), exponent) || std::abs(exponent) > 10000)) return false;
  const std::string_view mantissa = s.substr(0, e);
  const size_t point = mantissa.find('.');
  const auto whole = static_cast<int64_t>(point == std::string_view::npos ? mantissa.size() : point);
  if (mantissa.size() - (point != std::string_view::npos) == 0) return false;
  // Digits up to the scale count, the next one rounds.
  const int64_t wanted = whole + exponent + scale;  // digits of the mantissa that are kept
  __int128 v = 0;
  int64_t seen = 0;
  bool up = false;
  for (char c : mantissa) {
    if (c == '.') {
      if (seen != whole) return false;
      continue;
    }
    if (!is_decimal_digit(c)) return false;
    if (seen < wanted) {
      if (v >= power_of_ten(37)) return false;
      v = v * 10 + (c - '0');
    } else if (seen == wanted) {
      up = c >= '5';
    }
    ++seen;
  }
  if (seen + (point != std::string_view::npos) != static_cast<int64_t>(mantissa.size())) return false;
  for (int64_t i = seen; i < wanted && v != 0; ++i) {
    if (v >= power_of_ten(37)) return false;
    v *= 10;
  }
  v += up;
  if (v >= power_of_ten(precision)) return false;
  out = negative ? -v : v;
  return true;
}

bool parse_date(std::string_view s, int64_t& days) {
  if (fast_date(s.data(), std::ssize(s), days)) return true;
  s = trimmed(s);
  return take_date(s, days) && s.empty();
}

bool parse_timestamp(std::string_view s, int64_t units, int64_t& out) {
  bool zoned;
  if (fast_timestamp(s.data(), std::ssize(s), units, out, zoned)) return true;
  s = trimmed(s);
  int64_t days, hour = 0, minute = 0, second = 0, fraction = 0, ahead = 0;
  if (!take_date(s, days)) return false;
  if (!s.empty()) {
    if (s[0] != 'T' && s[0] != ' ' && s[0] != 't') return false;
    s.remove_prefix(1);
    if (!take_digits(s, 2, hour) || !take(s, ':') || !take_digits(s, 2, minute)) return false;
    if (take(s, ':')) {
      if (!take_digits(s, 2, second)) return false;
      if (take(s, '.')) {
        int64_t unit = units, digits = 0;
        for (; !s.empty() && is_decimal_digit(s[0]); s.remove_prefix(1), ++digits) {
          if (unit == 1 && s[0] != '0') return false;  // finer than the column's unit
          unit = unit == 1 ? 1 : unit / 10;
          fraction += (s[0] - '0') * unit;
        }
        if (digits == 0) return false;
      }
    }
    if (!take_zone(trimmed(s), ahead)) return false;
    if (hour > 23 || minute > 59 || second > 59) return false;
  }
  int64_t seconds = days * 86400 + hour * 3600 + minute * 60 + second - ahead;
  return !__builtin_mul_overflow(seconds, units, &out) && !__builtin_add_overflow(out, fraction, &out);
}

std::string_view write_float(double v, char* out) { return write_any_float(v, out); }
std::string_view write_float(float v, char* out) { return write_any_float(v, out); }

std::string_view write_decimal(__int128 v, int scale, char* out) {
  char digits[48];
  int n = 0;
  const bool negative = v < 0;
  auto rest = negative ? -static_cast<unsigned __int128>(v) : static_cast<unsigned __int128>(v);
  do {
    digits[n++] = static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  } while (rest != 0 || n <= scale);
  char* o = out;
  if (negative) *o++ = '-';
  while (n > 0) {
    *o++ = digits[--n];
    if (n == scale && scale > 0) *o++ = '.';
  }
  return {out, static_cast<size_t>(o - out)};
}

std::string_view write_date(int64_t days, char* out) {
  const Civil c = civil_of_days(days);
  const int n = std::snprintf(out, 24, "%04d-%02d-%02d", c.year, c.month, c.day);
  return {out, static_cast<size_t>(n)};
}

std::string_view write_timestamp(int64_t value, int64_t units, bool zoned, char* out) {
  const int64_t seconds = floor_divide(value, units), days = floor_divide(seconds, 86400);
  int64_t fraction = value - seconds * units;
  const int64_t in_day = seconds - days * 86400;
  size_t n = write_date(days, out).size();
  out[n++] = ' ';
  two_digits(in_day / 3600, out + n);
  out[n + 2] = ':';
  two_digits(in_day / 60 % 60, out + n + 3);
  out[n + 5] = ':';
  two_digits(in_day % 60, out + n + 6);
  n += 8;
  if (fraction != 0) {
    out[n++] = '.';
    for (int64_t unit = units / 10; fraction != 0; unit /= 10) {
      out[n++] = static_cast<char>('0' + fraction / unit);
      fraction %= unit;
    }
  }
  if (zoned) {
    std::memcpy(out + n, "+00", 3);
    n += 3;
  }
  return {out, n};
}

int64_t units_per_second(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND: return 1;
    case arrow::TimeUnit::MILLI: return 1000;
    case arrow::TimeUnit::MICRO: return 1000000;
    case arrow::TimeUnit::NANO: return 1000000000;
  }
  return 1;
}

}  // namespace gristmill::expr
