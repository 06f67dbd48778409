// Sums of doubles that are exact and rounded once, so independent of order, workers and machines.
//
// ExactSum is the state of one group: a 128-bit fixed-point accumulator in a unit fixed per
// aggregate (chosen from the first batch); what does not fit (too large, too small, a state about
// to overflow) goes to a WideSum, which a sparse map (WideSums) holds for the few groups that need one.
// Rounding: to nearest, ties to even, once, in value(). NaN and infinities are counted apart:
// inf - inf = NaN, beyond the range = inf, exact zero = +0.0.
// The unit is an implementation detail: any unit gives the same value.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace gristmill::column {

struct ExactNumber;  // exact_number.h: the arithmetic of closing formulas

// Any sum of doubles and of products of two doubles, exactly. Grows by limbs as values need them (two
// for one double, at most about seventy). Slow (some 5 to 10 ns an addition), always right.
class WideSum {
 public:
  void add(double x);       // NaN and infinities counted
  void subtract(double x);  // takes back one add(x), specials included
  void add_product(double a, double b);
  void subtract_product(double a, double b);
  void add_scaled(__int128 units, int unit_exponent);
  // units as two's complement limbs, lowest first; at most 6.
  void add_scaled(const uint64_t* limbs, int count, int unit_exponent);
  void merge(const WideSum& other);
  void subtract(const WideSum& other);

  double value() const;                // rounded once
  double value_over(int64_t n) const;  // value / n for n > 0, rounded once
  ExactNumber number() const;          // the finite part
  bool is_zero() const;                // finite part zero and no specials
  bool is_finite() const { return specials_[0] == 0 && specials_[1] == 0 && nans_ == 0; }
  const std::array<int64_t, 2>& specials() const { return specials_; }  // (+inf count, -inf count); NaN apart
  bool has_nan() const { return nans_ != 0; }

  // Canonical serialised form: equal sums with equal counts of specials have equal bytes, however they came about.
  std::vector<uint8_t> bytes() const;
  void append_bytes(std::vector<uint8_t>* out) const;
  static WideSum from_bytes(std::span<const uint8_t> b);
  // Reads one form off the front of `in`; nothing when it is malformed.
  static std::optional<WideSum> read(std::span<const uint8_t>* in);

  int64_t heap_bytes() const { return static_cast<int64_t>(limbs_.capacity() * sizeof(uint64_t)); }

 private:
  void count_special(double x, int64_t by);
  void add_limbs(const uint64_t* limbs, int count, int position);
  void cover(int low, int high);
  // The limbs without sign extension above and zeros below: [first, last).
  std::array<size_t, 2> essential_limbs() const;

  std::vector<uint64_t> limbs_;  // two's complement; limb i weighs 2^(64 (low_ + i)); the last one carries the sign
  int32_t low_ = 0;
  std::array<int64_t, 2> specials_{};
  int64_t nans_ = 0;
};

// Fixed-point state, 16 bytes, zero-initialised. Belongs to one aggregate with one unit.
struct ExactSum {
  __int128 units = 0;
};

// The unit 2^exponent: values m * 2^(exponent + shift) with shift in [0, kShifts) and m of 53 bits go the fast
// path. Overflow of the 128 bits is caught by every addition, so no count of rows matters.
class ExactUnit {
 public:
  static constexpr int kShifts = 64;          // binades of the window
  static constexpr int kBias = 1075;          // a normal double is m * 2^(biased exponent - kBias)
  static constexpr int kLowest = -1074;       // of the exponent: with these two bounds one compare
  static constexpr int kHighest = 908;        // also turns away zeros, subnormals, infinities and NaN
  static constexpr int kPreferredShift = 42;  // where choose() puts the largest: 2^32 additions before an overflow

  // Covers the sample's finite values, or as many as one window can, with room above and below.
  static ExactUnit choose(std::span<const double> sample);
  // The unit of choose() if it takes at least twice as many of the sample as this one, else this one.
  ExactUnit reconsidered(std::span<const double> sample) const;
  bool takes(double x) const {
    ExactSum s;
    return add(s, x);
  }
  explicit ExactUnit(int exponent = -83) : exponent_(exponent < kLowest ? kLowest : exponent > kHighest ? kHighest : exponent) {}
  int exponent() const { return exponent_; }
  friend bool operator==(const ExactUnit&, const ExactUnit&) = default;

  // True and adds when x fits the window; false: x goes to WideSums::add_outside (or add_outside below).
  inline bool add(ExactSum& s, double x) const;
  inline bool subtract(ExactSum& s, double x) const { return add(s, -x); }
  // What the window turned away but the 128 bits can still hold exactly (subnormals, trailing zeros below the unit).
  bool add_unusual(ExactSum& s, double x) const;
  // After `add` said no: adds x to the state where possible, else to `wide`, emptying a full state into it.
  void add_outside(ExactSum& s, WideSum& wide, double x) const;
  // s += units * 2^exponent; false when that is not representable.
  bool add_scaled(ExactSum& s, __int128 units, int exponent) const;

 private:
  int exponent_;
};

// Sum of a run of values without groups, vectorised; what does not fit goes to `wide`. `validity` (null: all
// valid) is a bitmap read from bit `validity_offset`. Returns how many values lay outside the window.
int64_t exact_add_all(const ExactUnit& unit, ExactSum& s, WideSum& wide, const double* x, const uint8_t* validity, int64_t validity_offset,
                      int64_t n);
int64_t exact_add_all(const ExactUnit& unit, ExactSum& s, WideSum& wide, const float* x, const uint8_t* validity, int64_t validity_offset,
                      int64_t n);
// Values turned into what ExactSum states add, vectorised; for states that live in rows of a table:
//   units.prepare(unit, x, validity, offset, n);
//   for k in 0 .. n - 1: if (!units.add(k, &state)) the value goes to add_outside, as after ExactUnit::add
//   for k in outside(): the value (it is valid and added nothing above) goes to add_outside
// Rows that are not valid add nothing.
class PreparedUnits {
 public:
  static constexpr int kMostRows = 512;

  void prepare(const ExactUnit& unit, const double* x, const uint8_t* validity, int64_t validity_offset, int n);
  void prepare(const ExactUnit& unit, const float* x, const uint8_t* validity, int64_t validity_offset, int n);
  __int128 units(int k) const { return static_cast<__int128>(static_cast<unsigned __int128>(high_[k]) << 64 | low_[k]); }
  bool add(int k, ExactSum* s) const {
    __int128 sum;
    if (__builtin_expect(__builtin_add_overflow(s->units, units(k), &sum), 0)) return false;
    s->units = sum;
    return true;
  }
  std::span<const uint16_t> outside() const { return {outside_, static_cast<size_t>(outside_count_)}; }

 private:
  alignas(64) uint64_t low_[kMostRows];
  alignas(64) uint64_t high_[kMostRows];
  uint16_t outside_[kMostRows];
  int outside_count_ = 0;
};

// units * 2^exponent + wide, rounded once. `wide` may be null.
double exact_value(const ExactUnit& unit, const ExactSum& s, const WideSum* wide);
// The same divided by n > 0, rounded once.
double exact_value_over(const ExactUnit& unit, const ExactSum& s, const WideSum* wide, int64_t n);

// The wide sums of the few states that need one, keyed by whatever slot number their owner gives its states. For
// states that live elsewhere (a hash table's rows): the owner keeps the ExactSum in its row and this beside it.
class WideSums {
 public:
  // After ExactUnit::add said no.
  void add_outside(const ExactUnit& unit, ExactSum& s, uint64_t slot, double x);
  void subtract_outside(const ExactUnit& unit, ExactSum& s, uint64_t slot, double x);
  // s (this, slot) += source (sources, source_slot), units may differ.
  void merge(const ExactUnit& unit, ExactSum& s, uint64_t slot, const ExactUnit& source_unit, const ExactSum& source,
             const WideSums& sources, uint64_t source_slot);
  double value(const ExactUnit& unit, const ExactSum& s, uint64_t slot) const { return exact_value(unit, s, find(slot)); }
  // Canonical: depends on the sum alone, not on the unit. read_into adds what was written to s.
  void append_bytes(const ExactUnit& unit, const ExactSum& s, uint64_t slot, std::vector<uint8_t>* out) const;
  bool read_into(const ExactUnit& unit, ExactSum& s, uint64_t slot, std::span<const uint8_t>* in);

  const WideSum* find(uint64_t slot) const;
  void merge_wide(uint64_t slot, const WideSum& other);
  // Brings a state from one unit to another. recall() then moves back what the new unit can hold.
  void change_unit(const ExactUnit& from, const ExactUnit& to, ExactSum& s, uint64_t slot);
  template <class StateOf>  // StateOf(slot) -> ExactSum&
  void recall(const ExactUnit& unit, StateOf state_of);
  void add_scaled(uint64_t slot, __int128 units, int exponent);
  void erase(uint64_t slot);
  void clear();
  bool empty() const { return wides_.empty(); }
  int64_t bytes() const { return bytes_; }  // memory held

 private:
  template <class Change>
  void update(uint64_t slot, Change change);
  static bool fits(const WideSum& wide, const ExactUnit& unit, ExactSum& s);

  std::unordered_map<uint64_t, WideSum> wides_;
  int64_t bytes_ = 0;
};

template <class StateOf>
void WideSums::recall(const ExactUnit& unit, StateOf state_of) {
  std::vector<uint64_t> recalled;
  for (const auto& [slot, wide] : wides_) {
    if (fits(wide, unit, state_of(slot))) recalled.push_back(slot);
  }
  for (const uint64_t slot : recalled) erase(slot);
}

inline bool ExactUnit::add(ExactSum& s, double x) const {
  uint64_t bits;
  __builtin_memcpy(&bits, &x, 8);
  // x = m * 2^(biased - kBias), so it is m << shift units.
  const uint64_t shift = ((bits >> 52) & 0x7ff) - static_cast<uint64_t>(int64_t{kBias} + exponent_);
  if (__builtin_expect(shift >= kShifts, 0)) return (bits << 1) == 0;  // zero adds nothing
  const int64_t sign = static_cast<int64_t>(bits) >> 63;
  const int64_t m = (static_cast<int64_t>((bits & 0xfffffffffffffULL) | 0x10000000000000ULL) ^ sign) - sign;
  const uint64_t low = static_cast<uint64_t>(m) << shift;
  const int64_t high = (m >> 1) >> (63 - shift);
  const __int128 v = static_cast<__int128>(static_cast<unsigned __int128>(static_cast<uint64_t>(high)) << 64 | low);
  __int128 sum;
  if (__builtin_expect(__builtin_add_overflow(s.units, v, &sum), 0)) return false;
  s.units = sum;
  return true;
}

}  // namespace gristmill::column
