// Cuts the rows that reach a file into blocks of a fixed number of output rows, in one byte form per value.
//
// Files are byte-identical whatever the batches were: a block's arrays are contiguous, null slots are zero, there is a
// validity bitmap only where there are nulls, every NaN is the one NaN, strings lie in row order in buffers of their own, and
// no buffer is longer than its values.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/batch.h"

namespace gristmill::io {

struct RowBlock {
  std::vector<column::Batch> parts;  // dense
  int64_t rows = 0;
};

class RowBlocks {
 public:
  explicit RowBlocks(int64_t block_rows) : block_rows_(block_rows) {}
  void add(column::Batch dense);
  bool full() const { return rows_ >= block_rows_; }
  int64_t rows() const { return rows_; }
  RowBlock take();  // the next block_rows rows; fewer only when there are no more

 private:
  int64_t block_rows_;
  int64_t rows_ = 0;
  std::deque<column::Batch> parts_;
};

// Column `index` of the block as one array of the border type, in row order, every NaN the one NaN; its memory in the parts is
// let go. The rest of the byte form is left to stable_bytes: formats that store values, not buffers, need none of it.
arrow::Result<std::shared_ptr<arrow::ArrayData>> block_column(RowBlock& block, int index, const column::TypePtr& type,
                                                              arrow::MemoryPool* pool);
arrow::Result<std::shared_ptr<arrow::RecordBatch>> block_batch(RowBlock& block, const std::shared_ptr<arrow::Schema>& schema,
                                                               arrow::MemoryPool* pool);

// `data` in the byte form described above.
arrow::Result<std::shared_ptr<arrow::ArrayData>> stable_bytes(const std::shared_ptr<arrow::ArrayData>& data, arrow::MemoryPool* pool);

}  // namespace gristmill::io
