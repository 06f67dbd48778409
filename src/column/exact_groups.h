// Exact sums of many groups: one aggregate's column of states, addressed by group number.
//
// Workers share one unit (chosen once, from whichever batch comes first), each has its own GroupSums, merging
// is exact in any order. When most of a batch lies outside the window a table moves to a better unit by itself,
// a few times in its life; tables of unlike units merge too, only not as fast. Counting rows (has a group any
// value?) is the caller's business.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "column/exact_sum.h"

namespace gristmill::column {

class GroupSums {
 public:
  explicit GroupSums(ExactUnit unit = ExactUnit()) : unit_(unit) {}

  const ExactUnit& unit() const { return unit_; }  // of now
  size_t size() const { return sums_.size(); }
  void resize(size_t groups) { sums_.resize(groups); }  // new groups are zero; only grows while in use
  void reserve(size_t groups) { sums_.reserve(groups); }

  // groups[i] < size() for every row, also those not valid. `validity` (null: all valid) is read from bit
  // `validity_offset`; NaN and infinities are values.
  void add(const uint32_t* groups, const double* x, const uint8_t* validity, int64_t validity_offset, int64_t n);
  void add(const uint32_t* groups, const float* x, const uint8_t* validity, int64_t validity_offset, int64_t n);
  // All rows into one group, faster than `add` with equal numbers.
  void add_run(uint32_t group, const double* x, const uint8_t* validity, int64_t validity_offset, int64_t n);
  inline void add_one(uint32_t group, double x);
  inline void subtract_one(uint32_t group, double x);  // takes back one add_one
  void merge_group(uint32_t group, const GroupSums& other, uint32_t other_group);
  void clear_group(uint32_t group);
  void clear();

  // The sum in units of unit(); nothing when it needs more than its 128 bits.
  std::optional<ExactSum> plain(uint32_t group) const {
    return wides_.find(group) == nullptr ? std::optional(sums_[group]) : std::nullopt;
  }
  double value(uint32_t group) const { return wides_.value(unit_, sums_[group], group); }
  double value_over(uint32_t group, int64_t n) const { return exact_value_over(unit_, sums_[group], wides_.find(group), n); }
  int64_t bytes() const;  // memory held

  // One group for a spill file or a checkpoint; equal sums give equal bytes whatever the unit. read_into adds to the group.
  void append_bytes(uint32_t group, std::vector<uint8_t>* out) const { wides_.append_bytes(unit_, sums_[group], group, out); }
  bool read_into(uint32_t group, std::span<const uint8_t>* in) { return wides_.read_into(unit_, sums_[group], group, in); }

 private:
  template <class Float>
  void add_rows(const uint32_t* groups, const Float* x, const uint8_t* validity, int64_t validity_offset, int64_t n);

  void reconsider_unit(const double* x, const uint64_t* valid, int n);

  ExactUnit unit_;
  int reconsidered_ = 0;
  std::vector<ExactSum> sums_;
  WideSums wides_;  // by group
};

inline void GroupSums::add_one(uint32_t group, double x) {
  ExactSum& s = sums_[group];
  if (!unit_.add(s, x)) wides_.add_outside(unit_, s, group, x);
}

inline void GroupSums::subtract_one(uint32_t group, double x) {
  ExactSum& s = sums_[group];
  if (!unit_.subtract(s, x)) wides_.subtract_outside(unit_, s, group, x);
}

}  // namespace gristmill::column
