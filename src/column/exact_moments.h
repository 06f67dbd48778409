// Variance, covariance, correlation and regression of many groups from exact sums of the variables and of their
// products; each result is the exact rational (for roots: its root) rounded once.
//
// The formulas n*Sxx - Sx*Sx cancel, which floating point pays for with wrong digits; here nothing is lost before
// the one rounding, so a variance is right even of 1e9, 1e9 + 1, 1e9 + 2. Products are exact integers, not error-free
// pairs of doubles: no product underflows. A row that does not fit its window adds to its group's WideSums instead;
// units move as in GroupSums.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "column/exact_sum.h"
#include "column/simd/exact_kernels.h"

namespace gristmill::column {

// K = 1: variance of x; K = 2: both variables x, y together. A row counts where all its variables are valid.
template <int K>
class GroupMoments {
 public:
  using State = ExactMomentState<K>;
  using Units = std::array<ExactUnit, K>;
  using Row = std::array<double, K>;
  static constexpr int kProducts = State::kProducts;

  explicit GroupMoments(Units units = Units()) : units_(units) {}

  const Units& units() const { return units_; }
  size_t size() const { return states_.size(); }
  void resize(size_t groups) { states_.resize(groups); }
  void reserve(size_t groups) { states_.reserve(groups); }

  // Rules of GroupSums::add; `validity` has the rows where every variable is.
  void add(const uint32_t* groups, const std::array<const double*, K>& x, const uint8_t* validity, int64_t validity_offset, int64_t n);
  void add_one(uint32_t group, const Row& row);
  void subtract_one(uint32_t group, const Row& row);  // takes back one add_one
  void merge_group(uint32_t group, const GroupMoments& other, uint32_t other_group);
  void clear_group(uint32_t group);

  int64_t count(uint32_t group) const { return states_[group].count; }
  // The exact mean of variable v, rounded once; nothing for a group without rows.
  std::optional<double> mean(uint32_t group, int v) const;
  // NaN when a value is NaN or infinite; nothing when there are at most ddof rows.
  std::optional<double> variance(uint32_t group, int ddof) const { return covariance(group, 0, 0, ddof); }  // of variable 0
  std::optional<double> stddev(uint32_t group, int ddof) const;
  std::optional<double> covariance(uint32_t group, int v, int w, int ddof) const;
  // K = 2. Nothing without rows; NaN when a variable does not vary. slope and intercept are those of
  // variable 1 as a function of variable 0.
  std::optional<double> correlation(uint32_t group) const;
  std::optional<double> slope(uint32_t group) const;
  std::optional<double> intercept(uint32_t group) const;

  int64_t bytes() const;  // memory held
  // One group for a spill file or a checkpoint: equal rows give equal bytes whatever the units. read_into adds to the group.
  void append_bytes(uint32_t group, std::vector<uint8_t>* out) const;
  bool read_into(uint32_t group, std::span<const uint8_t>* in);

 private:
  // The parts of a state: K sums, then the products.
  static constexpr int kParts = K + kProducts;
  struct Wide {
    std::array<WideSum, kParts> part;
  };

  static int product_part(int v, int w) { return v >= w ? K + v * (v + 1) / 2 + w : product_part(w, v); }
  int part_exponent(int part) const;
  bool add_fitting(State& state, const Row& row, bool negated) const;
  void change_one(uint32_t group, const Row& row, bool subtract);
  void change_wide(uint32_t group, const Row& row, bool subtract);
  void empty_into_wide(uint32_t group);
  void reconsider_units(const double* const* x, const uint64_t* valid, int n);
  void change_units(const Units& better);
  void add_part(uint32_t group, int part, const WideSum& sum);
  WideSum part_sum(uint32_t group, int part) const;
  template <class Change>
  void update_wide(uint32_t group, Change change);
  const Wide* find_wide(uint32_t group) const;
  bool is_finite(uint32_t group, int v) const;
  ExactNumber number(uint32_t group, int part) const;
  ExactNumber centred(uint32_t group, int v, int w) const;  // n * S(vw) - S(v) * S(w)

  Units units_;
  int reconsidered_ = 0;
  std::vector<State> states_;
  std::unordered_map<uint32_t, Wide> wides_;
  int64_t wide_bytes_ = 0;
};

using GroupVariances = GroupMoments<1>;
using GroupPairs = GroupMoments<2>;
extern template class GroupMoments<1>;
extern template class GroupMoments<2>;

}  // namespace gristmill::column
