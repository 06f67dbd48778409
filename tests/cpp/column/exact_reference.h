// Exact rationals by long hand, to judge results: base 2^32 digits, no shared code with what is tested.
//
// Nothing here rounds. Whether a double is the right rounding of a quotient (or of a root of one) is decided
// by comparing that quotient with the midpoints to the double's neighbours.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace gristmill::column::reference {

struct Number {  // (-1)^negative * digits * 2^exponent
  bool negative = false;
  std::vector<uint32_t> digits;
  int exponent = 0;

  void trim() {
    while (!digits.empty() && digits.back() == 0) digits.pop_back();
    if (digits.empty()) negative = false;
  }
};

inline Number integer(int64_t v) {
  Number n;
  n.negative = v < 0;
  uint64_t m = v < 0 ? -static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
  for (; m != 0; m >>= 32) n.digits.push_back(static_cast<uint32_t>(m));
  return n;
}

inline Number of(double x) {
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);  // x = fraction * 2^exponent
  Number n = integer(static_cast<int64_t>(std::ldexp(fraction, 53)));
  n.exponent = exponent - 53;
  return n;
}

inline Number shifted(const Number& a, int bits) {  // digits * 2^bits, exponent lowered
  Number r = a;
  r.exponent -= bits;
  r.digits.insert(r.digits.begin(), static_cast<size_t>(bits / 32), 0);
  uint32_t carry = 0;
  for (uint32_t& d : r.digits) {
    const uint64_t v = (uint64_t{d} << (bits % 32)) | carry;
    d = static_cast<uint32_t>(v);
    carry = static_cast<uint32_t>(v >> 32);
  }
  r.digits.push_back(carry);
  r.trim();
  return r;
}

inline int compare_digits(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  for (size_t i = a.size(); i-- > 0;) {
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

inline Number negated(Number a) {
  a.negative = !a.digits.empty() && !a.negative;
  return a;
}

inline Number add(Number a, Number b) {
  if (a.exponent > b.exponent) a = shifted(a, a.exponent - b.exponent);
  if (b.exponent > a.exponent) b = shifted(b, b.exponent - a.exponent);
  if (a.negative != b.negative && compare_digits(a.digits, b.digits) < 0) std::swap(a, b);
  const int64_t sign = a.negative == b.negative ? 1 : -1;
  int64_t carry = 0;
  a.digits.resize(std::max(a.digits.size(), b.digits.size()) + 1, 0);
  for (size_t i = 0; i < a.digits.size(); ++i) {
    const int64_t v = int64_t{a.digits[i]} + (i < b.digits.size() ? sign * int64_t{b.digits[i]} : 0) + carry;
    a.digits[i] = static_cast<uint32_t>(v);
    carry = v >> 32;
  }
  a.trim();
  return a;
}

inline Number subtract(const Number& a, const Number& b) { return add(a, negated(b)); }

inline Number multiply(const Number& a, const Number& b) {
  Number r;
  r.exponent = a.exponent + b.exponent;
  r.negative = a.negative != b.negative;
  r.digits.assign(a.digits.size() + b.digits.size(), 0);
  for (size_t i = 0; i < a.digits.size(); ++i) {
    uint64_t carry = 0;
    for (size_t j = 0; j < b.digits.size(); ++j) {
      const uint64_t v = uint64_t{a.digits[i]} * b.digits[j] + r.digits[i + j] + carry;
      r.digits[i + j] = static_cast<uint32_t>(v);
      carry = v >> 32;
    }
    r.digits[i + b.digits.size()] = static_cast<uint32_t>(carry);
  }
  r.trim();
  return r;
}

inline int sign(const Number& a) { return a.digits.empty() ? 0 : a.negative ? -1 : 1; }

// The midpoint between r and its neighbour away from zero (beyond the largest double: 2^1024) or towards it; r >= 0.
inline Number upper_midpoint(double r) {
  Number up = of(r);
  if (r == std::numeric_limits<double>::max()) {
    up = integer(1);
    up.exponent = 1024;
  } else {
    up = of(std::nextafter(r, std::numeric_limits<double>::infinity()));
  }
  Number sum = add(of(r), up);
  --sum.exponent;
  return sum;
}
inline Number lower_midpoint(double r) {
  Number sum = add(of(r), of(std::nextafter(r, 0.0)));
  --sum.exponent;
  return sum;
}

// Whether `got` is n / d (or, with `root`, sign * sqrt(n / d) for n >= 0) rounded once to nearest, ties to even. d > 0.
inline bool is_rounded(double got, const Number& n, const Number& d, bool root = false, bool negative_root = false) {
  if (std::isnan(got)) return false;
  if (sign(n) == 0) return got == 0 && !std::signbit(got);
  if (std::signbit(got) != (root ? negative_root : sign(n) < 0)) return false;
  Number magnitude = n;
  magnitude.negative = false;
  const auto side = [&](const Number& bound) {  // of the exact result, relative to bound
    return sign(subtract(magnitude, multiply(root ? multiply(bound, bound) : bound, d)));
  };
  double r = std::fabs(got);
  if (std::isinf(r)) return side(upper_midpoint(std::numeric_limits<double>::max())) >= 0;
  const bool even = (of(r).digits.empty() || std::fmod(r / std::max(std::ldexp(1.0, std::max(std::ilogb(r), -1022) - 52), 5e-324), 2) == 0);
  const int above = side(upper_midpoint(r));
  if (above > 0 || (above == 0 && !even)) return false;
  if (r == 0) return true;
  const int below = side(lower_midpoint(r));
  return below > 0 || (below == 0 && even);
}

}  // namespace gristmill::column::reference
