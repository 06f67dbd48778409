// Signed integers times a power of two, of bounded length and on the stack: what the closing formulas of
// exact sums (variance, covariance, correlation, skewness, kurtosis) compute with.
//
// Nothing here rounds except the functions named rounded_*: those round the exact result once, to nearest,
// ties to even, with gradual underflow and overflow to infinity. The capacity covers every number the
// formulas can reach from doubles and 63-bit counts: n * Sxx has at most 69 limbs, so its cube, which skewness divides by, 207.
#pragma once

#include <cstdint>

namespace gristmill::column {

struct ExactNumber {
  static constexpr int kCapacity = 232;

  ExactNumber() {}  // zero; the limbs stay unset
  ExactNumber(const ExactNumber& other);
  ExactNumber& operator=(const ExactNumber& other);

  // value = (-1)^negative * sum(limb[i] * 2^(64 i)) * 2^exponent; the top limb is not zero; zero has size 0.
  bool negative = false;
  int size = 0;
  int64_t exponent = 0;
  uint64_t limb[kCapacity];

  bool is_zero() const { return size == 0; }
};

ExactNumber exact_number(__int128 units, int64_t exponent);
// Two's complement limbs, lowest first; the top bit of the last one is the sign.
ExactNumber exact_number(const uint64_t* limbs, int count, int64_t exponent);

ExactNumber exact_add(const ExactNumber& a, const ExactNumber& b);
ExactNumber exact_subtract(const ExactNumber& a, const ExactNumber& b);
ExactNumber exact_multiply(const ExactNumber& a, const ExactNumber& b);

// a as an integer times 2^exponent in `count` two's complement limbs; false when it is none or does not fit.
bool exact_fixed_point(const ExactNumber& a, int64_t exponent, uint64_t* limbs, int count);

double rounded_value(const ExactNumber& a);
// a / b; b is not zero.
double rounded_quotient(const ExactNumber& a, const ExactNumber& b);
double rounded_quotient(__int128 a, __int128 b);
// sign * sqrt(a / b) for a >= 0, b > 0.
double rounded_root(const ExactNumber& a, const ExactNumber& b, bool negative = false);

// (top + t) * 2^exponent rounded once, where 0 < t < 1 if `sticky`, else t = 0; top has at least 55 bits unless !sticky.
double rounded_from_top(uint64_t top, bool sticky, int64_t exponent, bool negative);

}  // namespace gristmill::column
