// Rows on their way to being sorted: a dense batch, its key columns, and each key's first 8 bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "column/batch.h"
#include "column/key_encoding.h"
#include "exec/operator.h"
#include "exec/sort.h"
#include "exec/sort_entries.h"

namespace gristmill::exec {

struct SortChunk {
  column::Batch rows;  // payload columns, then computed key columns; dense
  std::vector<column::Column> keys;
  std::shared_ptr<arrow::Buffer> prefixes;      // uint64 each
  uint64_t least = ~uint64_t{0}, greatest = 0;  // of the prefixes
  bool exact = true;                            // equal prefixes mean equal keys
  size_t shared_keys = 0;                       // the first ones, in which the chunk's rows do not differ, as far as that is plain to see
  uint64_t first_order = 0;                     // row i stands at first_order + i ...
  std::shared_ptr<arrow::Buffer> orders;        // ... unless given one by one

  const uint64_t* prefix() const { return reinterpret_cast<const uint64_t*>(prefixes->data()); }
  uint64_t order(int64_t i) const {
    return orders ? reinterpret_cast<const uint64_t*>(orders->data())[i] : first_order + static_cast<uint64_t>(i);
  }
  int64_t bytes() const;
};

// Completes `chunk.prefixes` and `exact` from `chunk.keys`, but for the first `skip` of them and `shared_bytes` of the next one's texts.
arrow::Status encode_chunk(SortChunk& chunk, const std::vector<column::SortKey>& order, arrow::MemoryPool* pool, size_t skip = 0,
                           size_t shared_bytes = 0);

// For SortChunk::shared_keys; and those that the rows of all chunks share.
size_t shared_keys(const SortChunk& chunk);
size_t shared_keys(const std::vector<SortChunk>& chunks);
// How many bytes the texts of a key start with in common with `text`, `most` at most; 0 where it is no text or has nulls.
size_t shared_bytes(const column::Column& key, int64_t rows, std::string_view text, size_t most);

// Sorted row references of several chunks: (chunk, row) pairs in key order, ties by order.
struct RowRef {
  uint32_t chunk;
  uint32_t row;
};
arrow::Result<std::vector<RowRef>> sort_chunks(const std::vector<SortChunk>& chunks, const std::vector<column::SortKey>& order,
                                               arrow::MemoryPool* pool);

// Puts entries whose prefixes are equal into full key order; they come in the order that ties are to keep.
// `keys` are addressed by SortEntry::row.
arrow::Status resolve_ties(SortEntry* entries, SortEntry* scratch, int64_t n, std::span<const column::Column> keys,
                           const std::vector<column::SortKey>& order, arrow::MemoryPool* pool);

// The referenced rows as one dense batch, columns only.
arrow::Result<column::Batch> gather_rows(const std::vector<const column::Batch*>& parts, std::span<const RowRef> refs,
                                         arrow::MemoryPool* pool);

}  // namespace gristmill::exec
