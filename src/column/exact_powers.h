// Skewness and kurtosis of many groups from exact sums of a variable's first four powers; each result is the exact rational (of
// skewness: its root) rounded once.
//
// The formulas cancel even more than those of the variance, so nothing is rounded before the end: powers are exact integers of 53,
// 106, 159 and 212 bits, shifted into fixed-point sums of 2, 4, 6 and 8 limbs. A value outside the unit's window, and a state that
// is about to overflow, go to the group's wide sums; so the unit never shows in a result.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "column/exact_sum.h"

namespace gristmill::column {

class GroupPowers {
 public:
  using Units = std::array<ExactUnit, 1>;

  explicit GroupPowers(Units units = Units()) : units_(units) {}

  const Units& units() const { return units_; }
  size_t size() const { return states_.size(); }
  void resize(size_t groups) { states_.resize(groups); }

  void add_one(uint32_t group, double x);
  void merge_group(uint32_t group, const GroupPowers& other, uint32_t other_group);

  int64_t count(uint32_t group) const { return states_[group].count; }
  // m3 / m2^1.5; `unbiased` corrects for a sample. NaN when a value is NaN or infinite, and when all are equal; nothing without
  // rows, or unbiased of fewer than 3.
  std::optional<double> skewness(uint32_t group, bool unbiased) const;
  // m4 / m2^2, less 3 unless `pearson`: 0 for a normal distribution. The same rules; unbiased of 4 rows or more.
  std::optional<double> kurtosis(uint32_t group, bool pearson, bool unbiased) const;

  int64_t bytes() const;  // memory held
  // One group for a spill file: equal rows give equal bytes whatever the units. read_into adds to the group.
  void append_bytes(uint32_t group, std::vector<uint8_t>* out) const;
  bool read_into(uint32_t group, std::span<const uint8_t>* in);

 private:
  static constexpr int kPowers = 4;
  static constexpr int kLimbs[kPowers] = {2, 4, 6, 8};
  static constexpr int kFirst[kPowers] = {0, 2, 6, 12};

  struct State {
    int64_t count = 0;
    uint64_t limb[20] = {};  // two's complement, power after power, lowest limb first
  };
  struct Wide {
    std::array<WideSum, kPowers> power;
  };

  int exponent(int power) const { return (power + 1) * units_[0].exponent(); }
  bool add_fitting(State& state, double x) const;
  void add_wide(uint32_t group, double x);
  void add_sum(uint32_t group, int power, const WideSum& sum);
  void empty_into_wide(uint32_t group);
  template <class Change>
  void update_wide(uint32_t group, Change change);
  const Wide* find_wide(uint32_t group) const;
  bool is_finite(uint32_t group) const;
  static void add_limbs(WideSum& sum, const uint64_t* limbs, int count, int unit_exponent);
  WideSum power_sum(uint32_t group, int power) const;

  Units units_;
  std::vector<State> states_;
  std::unordered_map<uint32_t, Wide> wides_;
  int64_t wide_bytes_ = 0;
};

}  // namespace gristmill::column
