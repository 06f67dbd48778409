// The lookup structure of a join's build side: from a key to its first row, and from a row to the next with the same key.
//
// Three kinds. A dense range of integers is an array indexed by value. Word keys lie in the buckets of an open-addressing
// table, one cache line each. Keys compared by columns have their hash in the bucket and are compared in full.
//
// Building is parallel without locks: add() sorts pieces of rows by partition (the top bits of the hash, or the
// upper part of the range), build() fills one partition's own buckets. Pieces and partitions are numbered by the rows alone. Rows of one
// key are chained in ascending order, because partitions are filled from the last row to the first.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/batch.h"
#include "exec/join_keys.h"

namespace gristmill::exec {

inline constexpr int32_t kNoRow = -1;

// Keys to look up, dense. `rows`: their places in `columns`; null = 0, 1, 2, ...
struct LookupKeys {
  int64_t n = 0;
  const uint64_t* low = nullptr;
  const uint64_t* high = nullptr;
  const uint64_t* hash = nullptr;
  const uint16_t* rows = nullptr;
  std::span<const column::Column> columns;  // flat; kColumns only
};

struct LookupScratch {
  std::vector<uint32_t> pending;
  std::vector<void*> places;
};

class JoinTable {
 public:
  virtual ~JoinTable() = default;
  virtual bool hashed() const = 0;  // whether find() wants LookupKeys::hash
  // first[i]: smallest row with key i, or kNoRow.
  virtual void find(const LookupKeys& keys, LookupScratch& scratch, int32_t* first) const = 0;
  // Row -> next larger row with the same key or kNoRow; null when every key has one row.
  const int32_t* next() const { return next_; }
  int32_t* links() const { return next_; }  // the same, for who takes rows out
  uint64_t serial() const { return serial_; }  // unlike any other table's; for caches

 protected:
  JoinTable();
  friend class JoinTableBuilder;
  const uint64_t serial_;
  std::shared_ptr<arrow::Buffer> next_buffer_;
  int32_t* next_ = nullptr;
};

class JoinTableBuilder {
 public:
  // `keys`: columns of all rows; kept only while building, except flat ones for kColumns. `range` for integer() layouts, of
  // the rows without null. A row with a null key is not put in, unless nulls are equal.
  static arrow::Result<std::unique_ptr<JoinTableBuilder>> make(const KeyLayout& layout, std::vector<column::Column> keys, int64_t rows,
                                                               KeyRange range, arrow::MemoryPool* pool);
  virtual ~JoinTableBuilder() = default;
  // What building takes at most, per row, beside the keys.
  static int64_t bytes_per_row(const KeyLayout& layout);

  int64_t pieces() const;
  virtual arrow::Status add(int64_t piece) = 0;
  int64_t partitions() const { return int64_t{1} << partition_bits_; }
  virtual arrow::Status start_partitions() = 0;  // after every add
  virtual arrow::Status build(int64_t partition) = 0;
  virtual std::unique_ptr<JoinTable> finish() = 0;
  arrow::Result<std::unique_ptr<JoinTable>> build_all();  // everything on this thread

 protected:
  JoinTableBuilder(const KeyLayout& layout, std::vector<column::Column> keys, int64_t rows, arrow::MemoryPool* pool);
  int64_t piece_begin(int64_t piece) const;
  int64_t piece_end(int64_t piece) const;
  // Rows of a piece that are put in; nothing: all.
  std::optional<column::Mask> live_rows(std::span<const column::Column> keys, int64_t rows) const;
  arrow::Status start_chains();  // on the first repeated key
  arrow::Status chain(int32_t row, int32_t next) {
    if (!next_.load(std::memory_order_acquire)) ARROW_RETURN_NOT_OK(start_chains());
    next_.load(std::memory_order_relaxed)[row] = next;
    return arrow::Status::OK();
  }
  void give_chains(JoinTable& table);

  const KeyLayout layout_;
  std::vector<column::Column> keys_;
  const int64_t rows_;
  arrow::MemoryPool* const pool_;
  int partition_bits_ = 0;
  std::vector<std::vector<uint32_t>> offsets_;  // per piece: where each partition's rows begin in it

 private:
  std::mutex mutex_;
  std::shared_ptr<arrow::Buffer> next_buffer_;
  std::atomic<int32_t*> next_{nullptr};
};

}  // namespace gristmill::exec
