// Dates and times in the form that nearly all have, fast: what these refuse the general way decides. What they accept has the value that
// gives.
#pragma once

#include <cstdint>

#include "expr/calendar.h"

namespace gristmill::expr {

inline bool two_digits(const char* p, int& out) {
  const unsigned a = static_cast<unsigned>(p[0] - '0'), b = static_cast<unsigned>(p[1] - '0');
  out = static_cast<int>(a * 10 + b);
  return a < 10 && b < 10;
}

// YYYY-MM-DD
inline bool fast_date(const char* p, int64_t n, int64_t& days) {
  if (n != 10 || p[4] != '-' || p[7] != '-') return false;
  int century, rest, month, day;
  if (!two_digits(p, century) | !two_digits(p + 2, rest) | !two_digits(p + 5, month) | !two_digits(p + 8, day)) return false;
  const int year = century * 100 + rest;
  if (month < 1 || month > 12 || day < 1 || (day > 28 && day > days_in_month(year, month))) return false;
  days = days_of_civil(year, month, day);
  return true;
}

// HH:MM:SS
inline bool fast_clock(const char* p, int64_t& seconds) {
  int h, m, s;
  if (p[2] != ':' || p[5] != ':' || (!two_digits(p, h) | !two_digits(p + 3, m) | !two_digits(p + 6, s))) return false;
  if (h > 23 || m > 59 || s > 59) return false;
  seconds = h * 3600 + m * 60 + s;
  return true;
}

// Date, T or a blank, clock, a fraction that fits the unit, and Z, +hh:mm or nothing. `zoned` says which of these it was.
inline bool fast_timestamp(const char* p, int64_t n, int64_t units, int64_t& out, bool& zoned) {
  int64_t days, seconds;
  if (n < 19 || n > 36 || (p[10] != 'T' && p[10] != ' ') || !fast_date(p, 10, days) || !fast_clock(p + 11, seconds)) return false;
  int64_t i = 19, fraction = 0;
  if (i < n && p[i] == '.') {
    const int64_t first = ++i;
    int64_t unit = units;
    for (; i < n && static_cast<unsigned>(p[i] - '0') < 10; ++i) {
      if (unit == 1) return false;
      unit /= 10;
      fraction += (p[i] - '0') * unit;
    }
    if (i == first) return false;
  }
  zoned = i < n;
  if (zoned) {
    if (p[i] == 'Z' && i + 1 == n) {
    } else if (n - i == 6 && (p[i] == '+' || p[i] == '-') && p[i + 3] == ':') {
      int h, m;
      if (!two_digits(p + i + 1, h) | !two_digits(p + i + 4, m) || h > 15 || m > 59) return false;
      seconds -= (h * 3600 + m * 60) * (p[i] == '-' ? -1 : 1);
    } else {
      return false;
    }
  }
  return !__builtin_mul_overflow(days * 86400 + seconds, units, &out) && !__builtin_add_overflow(out, fraction, &out);
}

}  // namespace gristmill::expr
