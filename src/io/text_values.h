// Fields of text to values, the usual forms only and fast: what these refuse, expr/parse_text.h decides.
//
// Digits are taken eight at a time. Up to 32 bytes at and behind `p` are read whatever the length, so the text has slack at its end. A
// number accepted here has exactly the value the slow way gives: decimals are one exact integer divided by one exact power of ten.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include "expr/usual_time.h"

namespace gristmill::io {

inline uint64_t load_8(const char* p) {
  uint64_t w;
  std::memcpy(&w, p, 8);
  return w;
}

inline bool all_digits(uint64_t w) {
  return ((w & 0xf0f0f0f0f0f0f0f0u) | (((w + 0x0606060606060606u) & 0xf0f0f0f0f0f0f0f0u) >> 4)) == 0x3333333333333333u;
}

inline uint64_t value_of_8(uint64_t w) {
  w -= 0x3030303030303030u;
  w = w * 10 + (w >> 8);
  return (((w & 0x000000ff000000ffu) * 0x000f424000000064u) + (((w >> 16) & 0x000000ff000000ffu) * 0x0000271000000001u)) >> 32;
}

// The first n (1 to 8) bytes of a word as digits.
inline bool take_short(uint64_t w, int n, uint64_t& out) {
  if (n < 8) w = (w << (64 - 8 * n)) | (0x3030303030303030u >> (8 * n));
  if (!all_digits(w)) return false;
  out = value_of_8(w);
  return true;
}

// n digits, 1 to 19.
inline bool take_unsigned(const char* p, int n, uint64_t& out) {
  if (n <= 8) return take_short(load_8(p), n, out);
  const int head = (n - 1) % 8 + 1;
  uint64_t v = 0;
  if (!take_short(load_8(p), head, v)) return false;
  for (int i = head; i < n; i += 8) {
    const uint64_t w = load_8(p + i);
    if (!all_digits(w)) return false;
    v = v * 100000000 + value_of_8(w);
  }
  out = v;
  return true;
}

inline bool fast_int64(const char* p, int64_t n, int64_t& out) {
  const bool negative = n > 0 && *p == '-';
  p += negative;
  n -= negative;
  if (n < 1 || n > 19) return false;
  uint64_t v;
  if (!take_unsigned(p, static_cast<int>(n), v) || v > uint64_t{0x7fffffffffffffff} + negative) return false;
  out = static_cast<int64_t>(negative ? 0 - v : v);
  return true;
}

// Digits with at most one point among them, up to 16 bytes: the digits as a number, and how many follow the point.
inline bool fast_decimal_digits(const char* p, int64_t n, uint64_t& digits, int& fraction) {
  constexpr uint64_t kPoints = 0x2e2e2e2e2e2e2e2eu, kOnes = 0x0101010101010101u, kTops = 0x8080808080808080u;
  if (n < 1 || n > 16) return false;
  const uint64_t low = load_8(p);
  uint64_t x = low ^ kPoints;
  uint64_t found = (x - kOnes) & ~x & kTops;
  if (n < 8) found &= (uint64_t{1} << (8 * n)) - 1;
  fraction = 0;
  if (n <= 8) {
    if (found == 0) return take_short(low, static_cast<int>(n), digits);
    if (n == 1) return false;
    const int at = __builtin_ctzll(found) >> 3;
    const uint64_t before = (uint64_t{1} << (8 * at)) - 1;
    fraction = static_cast<int>(n) - 1 - at;
    return take_short((low & before) | ((low >> 8) & ~before), static_cast<int>(n) - 1, digits);
  }
  const uint64_t high = load_8(p + 8);
  int at = -1;
  if (found != 0) {
    at = __builtin_ctzll(found) >> 3;
  } else {
    x = high ^ kPoints;
    found = (x - kOnes) & ~x & kTops;
    if (n < 16) found &= (uint64_t{1} << (8 * (n - 8))) - 1;
    if (found != 0) at = 8 + (__builtin_ctzll(found) >> 3);
  }
  if (at < 0) return take_unsigned(p, static_cast<int>(n), digits);
  uint64_t a = low, b = high;
  if (at < 8) {
    const uint64_t before = (uint64_t{1} << (8 * at)) - 1;
    a = (low & before) | (((low >> 8) | (high << 56)) & ~before);
    b = high >> 8;
  } else {
    const uint64_t before = (uint64_t{1} << (8 * (at - 8))) - 1;
    b = (high & before) | ((high >> 8) & ~before);
  }
  const int m = static_cast<int>(n) - 1;  // 8 to 15 digits
  fraction = m - at;
  if (!all_digits(a)) return false;
  digits = value_of_8(a);
  if (m == 8) return true;
  uint64_t rest;
  if (!take_short(b, m - 8, rest)) return false;
  static constexpr uint64_t kPowers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
  digits = digits * kPowers[m - 8] + rest;
  return true;
}

inline constexpr double kExactPowers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16};

inline bool fast_double(const char* p, int64_t n, double& out) {
  const bool negative = n > 0 && *p == '-';
  uint64_t digits;
  int fraction;
  if (!fast_decimal_digits(p + negative, n - negative, digits, fraction) || digits > (uint64_t{1} << 53)) return false;
  const double v = static_cast<double>(digits) / kExactPowers[fraction];
  out = negative ? -v : v;
  return true;
}

inline bool fast_float(const char* p, int64_t n, float& out) {
  const bool negative = n > 0 && *p == '-';
  uint64_t digits;
  int fraction;
  if (!fast_decimal_digits(p + negative, n - negative, digits, fraction) || digits > (uint64_t{1} << 24) || fraction > 10) return false;
  const float v = static_cast<float>(digits) / static_cast<float>(kExactPowers[fraction]);
  out = negative ? -v : v;
  return true;
}

using expr::fast_clock;
using expr::fast_date;
using expr::fast_timestamp;

}  // namespace gristmill::io
