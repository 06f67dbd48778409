// Sums of doubles that are exact and rounded once, so independent of order, workers and machines.
//
// ExactSum is the state of one group: a 128-bit fixed-point accumulator in a unit fixed per
// aggregate (chosen from the first batch), and for what does not fit (too large, too small) a sparse
// wide accumulator in WideSums. Rounding: to nearest, ties to even, once, in value(). NaN and
// infinities are counted apart: inf - inf = NaN, beyond the range = inf, exact zero = +0.0.
// The unit is an implementation detail: any unit gives the same value.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace gristmill::column {

// The whole range of double products' halves: 2^-1074 .. beyond 2^1024, plus carries. Slow, always right.
class WideSum {
 public:
  void add(double x);                 // NaN and infinities counted
  void add_scaled(__int128 units, int unit_exponent);
  void merge(const WideSum& other);
  void subtract(const WideSum& other);
  double value() const;               // rounded once
  bool is_zero() const;
  // Wide forms for variance: this = a * b (exact), scaled by an integer, rounded quotient; see exact_moments.h.
  static constexpr int kLimbs = 70;   // 64-bit limbs from 2^-2148 upwards: room for squares
  const std::array<int64_t, 2>& specials() const { return specials_; }  // (+inf count, -inf count); NaN apart
  bool has_nan() const { return nan_; }
  std::vector<uint8_t> bytes() const;            // canonical serialised form (equal sums have equal bytes)
  static WideSum from_bytes(std::span<const uint8_t> b);

 private:
  friend class WideArithmetic;
  std::array<uint64_t, kLimbs> limbs_{};   // two's complement
  std::array<int64_t, 2> specials_{};
  bool nan_ = false;
};

// Fixed-point state, 16 bytes, zero-initialised. Belongs to one table of groups with one unit.
struct ExactSum {
  __int128 units = 0;
};

// The unit: values m * 2^e with every bit in [unit, unit + kSpan) go to the fast path.
class ExactUnit {
 public:
  static constexpr int kSpan = 95;          // + 32 bits of headroom for 2^31 additions, + sign
  static ExactUnit choose(std::span<const double> sample);
  explicit ExactUnit(int exponent = -1074) : exponent_(exponent) {}
  int exponent() const { return exponent_; }
  // True and adds when x fits the window; false: the caller puts x into a WideSum of the group.
  inline bool add(ExactSum& s, double x) const;

 private:
  int exponent_;
};

// Sum of a run of values without groups, vectorised; what does not fit goes to `wide`.
void exact_add_all(const ExactUnit& unit, ExactSum& s, WideSum& wide, const double* x, const uint8_t* validity, int64_t validity_offset, int64_t n);
// units * 2^exponent + wide, rounded once. `wide` may be null.
double exact_value(const ExactUnit& unit, const ExactSum& s, const WideSum* wide);

inline bool ExactUnit::add(ExactSum& s, double x) const {
  uint64_t bits;
  __builtin_memcpy(&bits, &x, 8);
  const int biased = static_cast<int>((bits >> 52) & 0x7ff);
  // m * 2^(biased - 1075); shift = biased - 1075 - exponent_ must lie in [0, kSpan - 53].
  const unsigned shift = static_cast<unsigned>(biased - 1075 - exponent_);
  if (__builtin_expect(shift > static_cast<unsigned>(kSpan - 53), 0)) return (bits << 1) == 0;  // zero adds nothing
  if (__builtin_expect(biased == 0 || biased == 0x7ff, 0)) return (bits << 1) == 0;             // subnormal, inf, NaN
  const int64_t m = static_cast<int64_t>((bits & 0xfffffffffffffULL) | 0x10000000000000ULL);
  const __int128 v = static_cast<__int128>(m) << shift;
  s.units += (bits >> 63) ? -v : v;
  return true;
}

}  // namespace gristmill::column
