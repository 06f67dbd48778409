// What a join's build side knows about one key, for the scan of the probe side: the range of its values, the values
// themselves where they are few, an exact bitmap for integers that lie close, else a Bloom filter.
//
// Publishing only hands over the keys; what is asked for is made when it is first asked for, because most scans ask for
// nothing. Counters switch it off when it drops too little. It only ever drops rows that match nothing, so neither changes
// a result.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "base/memory_budget.h"
#include "exec/join_keys.h"
#include "plan/table_source.h"

namespace gristmill::exec {

class JoinFilter final : public plan::RuntimeFilter {
 public:
  explicit JoinFilter(column::TypePtr type);
  // Which types have a filter at all.
  static bool possible(const arrow::DataType& type);

  // Once, by one thread: `keys` are the build side's values, none of them null.
  void publish(column::Column keys, int64_t rows, std::shared_ptr<base::QueryMemory> memory);

  bool ready() const override { return ready_.load(std::memory_order_acquire); }
  bool may_match_range(const arrow::Scalar& min, const arrow::Scalar& max) const override;
  void narrow(const column::Column& values, int64_t rows, column::Mask& keep) const override;

 private:
  bool has_range() const;  // makes bounds and few values
  bool has_set() const;    // makes bitmap or Bloom filter
  arrow::Status make_range() const;
  arrow::Status make_set() const;
  void find_bounds(const arrow::ArrayData& keys, int64_t* low, int64_t* high) const;
  arrow::Result<bool> make_bitmap(const uint64_t* words) const;
  arrow::Status make_bloom() const;
  arrow::Status keep_few() const;

  const column::TypePtr type_;
  const KeyLayout layout_;
  column::Column keys_;  // flat
  int64_t rows_ = 0;
  std::shared_ptr<base::QueryMemory> memory_;
  std::atomic<bool> ready_{false};

  mutable std::once_flag range_once_, set_once_;  // guard what follows
  mutable bool range_ok_ = false, set_ok_ = false, has_nan_ = false;
  mutable column::Column bounds_;  // two rows: smallest and largest
  mutable column::Column few_;     // distinct values in order, when there are few
  mutable int64_t few_count_ = -1;
  mutable uint64_t bitmap_min_ = 0, bitmap_size_ = 0;
  mutable std::shared_ptr<arrow::Buffer> set_;  // 64-bit words of the bitmap or the Bloom filter
  mutable uint64_t* words_ = nullptr;
  mutable uint64_t bloom_size_ = 0;

  mutable std::atomic<bool> off_{false};
  mutable std::atomic<int64_t> seen_{0}, passed_{0};
};

}  // namespace gristmill::exec
