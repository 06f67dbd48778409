// What a join's build side knows about one key, for the scan of the probe side: the range of its values, the values
// themselves where they are few, an exact bitmap for integers that lie close, else a Bloom filter.
//
// Published once, then immutable but for the counters that switch it off when it drops too little. It only
// ever drops rows that match nothing, so being off changes no result.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "exec/join_keys.h"
#include "plan/table_source.h"

namespace gristmill::exec {

class JoinFilter final : public plan::RuntimeFilter {
 public:
  explicit JoinFilter(column::TypePtr type);
  // Which types have a filter at all.
  static bool possible(const arrow::DataType& type);

  // Once, by one thread: `keys` are the build side's non-null values.
  arrow::Status publish(const column::Column& keys, int64_t rows, arrow::MemoryPool* pool);

  bool ready() const override { return ready_.load(std::memory_order_acquire); }
  bool may_match_range(const arrow::Scalar& min, const arrow::Scalar& max) const override;
  void narrow(const column::Column& values, int64_t rows, column::Mask& keep) const override;

 private:
  arrow::Status find_bounds(const column::Column& keys, int64_t rows, arrow::MemoryPool* pool);
  bool make_bitmap(const uint64_t* words, int64_t rows);
  void make_bloom(const uint64_t* hashes, int64_t rows);
  arrow::Status keep_few(const column::Column& keys, const uint64_t* hashes, int64_t rows, arrow::MemoryPool* pool);

  const column::TypePtr type_;
  const KeyLayout layout_;
  bool empty_ = false, has_nan_ = false;
  column::Column bounds_;                // two rows: smallest and largest
  column::Column few_;                   // distinct values, when there are few
  int64_t few_count_ = -1;
  uint64_t bitmap_min_ = 0, bitmap_size_ = 0;
  std::vector<uint64_t> bitmap_, bloom_;
  std::atomic<bool> ready_{false};
  mutable std::atomic<bool> off_{false};
  mutable std::atomic<int64_t> seen_{0}, passed_{0};
};

}  // namespace gristmill::exec
