// Hash tables of groups.
//
// A GroupTable is one partition: rows in chunks that never move, in the order they came, and an open-addressing index
// of 8-byte slots (16 bits of salt, 48 of address). A TableSet is what a worker fills: 64 tables chosen by the top bits of
// the hash, always, so the partitions of all workers match and each is a unit of merging and of spilling.
//
// resolve() finds or makes the rows of up to kSpan keys at once, in passes (slots, rows, keys that lie apart, keys) with every
// load asked for one pass ahead: a lookup costs what its cache misses cost overlapped, not one after the other.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/exact_moments.h"
#include "column/exact_powers.h"
#include "column/exact_sum.h"
#include "exec/group_arena.h"
#include "exec/group_hash.h"
#include "exec/group_row.h"

namespace gristmill::exec {

class GroupTable {
 public:
  GroupTable(const RowLayout* layout, arrow::MemoryPool* pool);
  GroupTable(GroupTable&&) noexcept = default;
  GroupTable& operator=(GroupTable&&) noexcept = default;

  int64_t groups() const { return groups_; }
  // What spilling it would free.
  int64_t bytes() const { return row_bytes_ + index_.size() + arena_.bytes() + held_bytes_ + side_bytes(); }
  // Of that, what the pool does not see.
  int64_t side_bytes() const;
  bool empty() const { return groups_ == 0; }
  const uint8_t* first() const { return empty() ? nullptr : chunks_.front().memory.data(); }
  void clear();

  // A row of zero bytes, not in the index.
  arrow::Result<uint8_t*> append();
  // Room for `groups` without growing.
  arrow::Status reserve(int64_t groups);
  bool full() const { return indexed_ >= limit_; }
  arrow::Status grow();
  // Takes over rows, arena and wide sums; rows of `other` that are groups here are in the index already.
  void adopt(GroupTable&& other, int64_t new_groups);
  // The index is not needed any more: rows stay.
  void drop_index();

  uint64_t* slots() const { return slots_; }
  uint64_t mask() const { return mask_; }
  void count_indexed() { ++indexed_; }

  // f(rows, n) for all groups, up to 1024 at a time, in the order they came.
  template <typename F>
  arrow::Status for_each(F&& f) const;

  Arena& arena() { return arena_; }
  // Rows point into `texts`, of which `bytes` count as this table's.
  void hold(std::shared_ptr<const PoolBytes> texts, int64_t bytes) {
    held_.push_back(std::move(texts));
    held_bytes_ += bytes;
  }
  arrow::MemoryPool* pool() const { return pool_; }
  void set_pool(arrow::MemoryPool* pool) { pool_ = pool; }  // for what comes from now on
  column::WideSum* make_wide();
  // Moments of one aggregate, made on first use.
  column::GroupVariances& moments(int function, const column::GroupVariances::Units& units);
  column::GroupVariances* find_moments(int function) const {
    return moments_.empty() ? nullptr : moments_[static_cast<size_t>(function)].get();
  }
  column::GroupPairs& pairs(int function, const column::GroupPairs::Units& units);
  column::GroupPairs* find_pairs(int function) const { return pairs_.empty() ? nullptr : pairs_[static_cast<size_t>(function)].get(); }

  column::GroupPowers& powers(int function, const column::GroupPowers::Units& units);
  column::GroupPowers* find_powers(int function) const { return powers_.empty() ? nullptr : powers_[static_cast<size_t>(function)].get(); }

  uint8_t* null_row = nullptr;  // the group of null for a lone 64-bit key

 private:
  struct Chunk {
    PoolBytes memory;
    int64_t rows = 0;
  };
  arrow::Status rebuild(uint64_t capacity);

  const RowLayout* layout_;
  arrow::MemoryPool* pool_;
  PoolBytes index_;
  uint64_t* slots_;
  uint64_t mask_ = 0;
  int64_t indexed_ = 0;
  int64_t limit_ = 0;
  std::vector<Chunk> chunks_;
  uint8_t* at_ = nullptr;
  uint8_t* end_ = nullptr;
  int64_t groups_ = 0;
  int64_t row_bytes_ = 0;
  Arena arena_;
  std::vector<std::shared_ptr<const PoolBytes>> held_;
  int64_t held_bytes_ = 0;
  std::vector<std::unique_ptr<column::WideSum>> wides_;
  std::vector<std::unique_ptr<column::GroupVariances>> moments_;
  std::vector<std::unique_ptr<column::GroupPairs>> pairs_;
  std::vector<std::unique_ptr<column::GroupPowers>> powers_;
};

class TableSet {
 public:
  static constexpr int64_t kSpan = 512;

  TableSet(const RowLayout* layout, arrow::MemoryPool* pool, int tables);
  TableSet(const RowLayout* layout, GroupTable table);  // a set of one

  const RowLayout& layout() const { return *layout_; }
  int size() const { return static_cast<int>(tables_.size()); }
  GroupTable& table(int p) { return tables_[static_cast<size_t>(p)]; }
  GroupTable& owner(const uint8_t* row) { return tables_[row[layout_->partition_offset] & mask_]; }
  int partition(uint64_t hash) const { return static_cast<int>((hash >> kPartitionShift) & mask_); }
  int64_t groups() const;
  int64_t bytes() const;
  // After a table of the set was changed from outside.
  void refresh(int p) { hot_[static_cast<size_t>(p)] = {table(p).slots(), table(p).mask()}; }

  // rows[j] = the row of key j; new_row(j, table) makes one, key included. On an error no row is half made.
  template <typename Key, typename NewRow>
  arrow::Status resolve(const Key& key, const uint64_t* hashes, int64_t n, uint8_t** rows, NewRow&& new_row);

 private:
  struct Hot {
    uint64_t* slots;
    uint64_t mask;
  };
  template <typename Key, typename NewRow>
  arrow::Result<uint8_t*> find_or_insert(const Key& key, uint64_t hash, int64_t j, NewRow&& new_row);

  const RowLayout* layout_;
  uint64_t mask_;
  std::vector<GroupTable> tables_;
  std::vector<Hot> hot_;
};

namespace slot {
inline constexpr uint64_t kAddress = (uint64_t{1} << 48) - 1;
inline uint64_t salt(uint64_t hash) { return (hash >> 42) << 48; }
inline uint64_t make(uint64_t hash, const uint8_t* row) { return salt(hash) | reinterpret_cast<uint64_t>(row); }
inline bool may_be(uint64_t entry, uint64_t hash) { return ((entry ^ salt(hash)) & ~kAddress) == 0; }
inline uint8_t* row(uint64_t entry) { return reinterpret_cast<uint8_t*>(entry & kAddress); }
}  // namespace slot

template <typename F>
arrow::Status GroupTable::for_each(F&& f) const {
  constexpr int64_t kRows = 1024;
  uint8_t* rows[kRows];
  int64_t n = 0;
  for (const Chunk& chunk : chunks_) {
    uint8_t* row = chunk.memory.data();
    for (int64_t i = 0; i < chunk.rows; ++i, row += layout_->stride) {
      if (load<uint64_t>(row + layout_->order_offset) == RowLayout::kNoOrder) continue;
      rows[n++] = row;
      if (n == kRows) {
        ARROW_RETURN_NOT_OK(f(static_cast<uint8_t* const*>(rows), n));
        n = 0;
      }
    }
  }
  return n > 0 ? f(static_cast<uint8_t* const*>(rows), n) : arrow::Status::OK();
}

template <typename Key, typename NewRow>
arrow::Result<uint8_t*> TableSet::find_or_insert(const Key& key, uint64_t hash, int64_t j, NewRow&& new_row) {
  const int p = partition(hash);
  GroupTable& t = table(p);
  if (t.full()) {
    ARROW_RETURN_NOT_OK(t.grow());
    refresh(p);
  }
  uint64_t* const slots = t.slots();
  const uint64_t mask = t.mask();
  uint64_t at = hash & mask;
  for (; slots[at] != 0; at = (at + 1) & mask) {
    if (!slot::may_be(slots[at], hash)) continue;
    uint8_t* const row = slot::row(slots[at]);
    if (key.equal(row, j)) return row;
  }
  ARROW_ASSIGN_OR_RAISE(uint8_t* const row, new_row(j, t));
  row[layout_->partition_offset] = static_cast<uint8_t>(p);
  slots[at] = slot::make(hash, row);
  t.count_indexed();
  return row;
}

template <typename Key, typename NewRow>
arrow::Status TableSet::resolve(const Key& key, const uint64_t* hashes, int64_t n, uint8_t** rows, NewRow&& new_row) {
  uint64_t* place[kSpan];
  uint64_t* end[kSpan];
  uint16_t missing[kSpan];
  const int last_byte = layout_->stride - 1;
  for (int64_t j = 0; j < n; ++j) {
    const Hot& t = hot_[(hashes[j] >> kPartitionShift) & mask_];
    place[j] = t.slots + (hashes[j] & t.mask);
    end[j] = t.slots + t.mask;
    __builtin_prefetch(place[j]);
  }
  for (int64_t j = 0; j < n; ++j) {
    const uint64_t* at = place[j];
    uint64_t entry = *at;
    while (entry != 0 && !slot::may_be(entry, hashes[j])) {
      at = at == end[j] ? end[j] - hot_[(hashes[j] >> kPartitionShift) & mask_].mask : at + 1;
      entry = *at;
    }
    rows[j] = slot::row(entry);
    const uint8_t* const near = entry != 0 ? rows[j] : reinterpret_cast<const uint8_t*>(place[j]);
    __builtin_prefetch(near, 1);
    __builtin_prefetch(near + last_byte, 1);  // a row may lie on two lines
  }
  if constexpr (requires { key.prefetch(rows[0]); }) {
    for (int64_t j = 0; j < n; ++j) {
      if (rows[j] != nullptr) key.prefetch(rows[j]);
    }
  }
  int64_t lost = 0;
  for (int64_t j = 0; j < n; ++j) {
    missing[lost] = static_cast<uint16_t>(j);
    lost += rows[j] == nullptr || !key.equal(rows[j], j);
  }
  for (int64_t k = 0; k < lost; ++k) {
    const int64_t j = missing[k];
    ARROW_ASSIGN_OR_RAISE(rows[j], find_or_insert(key, hashes[j], j, new_row));
  }
  return arrow::Status::OK();
}

}  // namespace gristmill::exec
