// Blocks of rows go to the level's kernel; the few rows it hands back are added one by one.

#include "column/exact_groups.h"

#include "column/exact_block.h"

namespace gristmill::column {

template <class Float>
void GroupSums::add_rows(const uint32_t* groups, const Float* x, const uint8_t* validity, int64_t validity_offset, int64_t n) {
  const ExactKernels& kernels = exact_kernels();
  uint16_t outside[kExactBlock];
  double buffer[kExactBlock];
  uint64_t* const states = reinterpret_cast<uint64_t*>(sums_.data());
  for_each_block(validity, validity_offset, n, [&](int64_t first, int rows, const uint64_t* valid) {
    const double* values = block_as_doubles(x + first, rows, buffer);
    const int count = kernels.group_block(states, groups + first, values, valid, rows, unit_.exponent(), outside);
    for (int k = 0; k < count; ++k) add_one(groups[first + outside[k]], values[outside[k]]);
    if (is_misfit(count, rows)) reconsider_unit(values, valid, rows);
  });
}

void GroupSums::add(const uint32_t* groups, const double* x, const uint8_t* validity, int64_t validity_offset, int64_t n) {
  add_rows(groups, x, validity, validity_offset, n);
}

void GroupSums::add(const uint32_t* groups, const float* x, const uint8_t* validity, int64_t validity_offset, int64_t n) {
  add_rows(groups, x, validity, validity_offset, n);
}

void GroupSums::add_run(uint32_t group, const double* x, const uint8_t* validity, int64_t validity_offset, int64_t n) {
  for_each_block(validity, validity_offset, n, [&](int64_t first, int rows, const uint64_t* valid) {
    WideSum wide;
    const int64_t outside = exact_add_all(unit_, sums_[group], wide, x + first, reinterpret_cast<const uint8_t*>(valid), 0, rows);
    if (!wide.is_zero()) wides_.merge_wide(group, wide);
    if (is_misfit(outside, rows)) reconsider_unit(x + first, valid, rows);
  });
}

void GroupSums::reconsider_unit(const double* x, const uint64_t* valid, int n) {
  if (reconsidered_ == kMostReconsiderations) return;
  ++reconsidered_;
  double sample[kExactBlock];
  const int count = gather_valid(x, valid, n, sample);
  const ExactUnit better = unit_.reconsidered({sample, static_cast<size_t>(count)});
  if (better == unit_) return;
  for (size_t group = 0; group < sums_.size(); ++group) wides_.change_unit(unit_, better, sums_[group], group);
  wides_.recall(better, [&](uint64_t group) -> ExactSum& { return sums_[group]; });
  unit_ = better;
}

void GroupSums::merge_group(uint32_t group, const GroupSums& other, uint32_t other_group) {
  wides_.merge(unit_, sums_[group], group, other.unit_, other.sums_[other_group], other.wides_, other_group);
}

void GroupSums::clear_group(uint32_t group) {
  sums_[group] = ExactSum();
  wides_.erase(group);
}

void GroupSums::clear() {
  sums_.clear();
  wides_.clear();
}

int64_t GroupSums::bytes() const { return static_cast<int64_t>(sums_.capacity() * sizeof(ExactSum)) + wides_.bytes(); }

}  // namespace gristmill::column
