// What flows between operators: columns of equal length, a selection, and where the rows came from.
//
// A batch belongs to one worker at a time; its columns are immutable and may be shared.
// `rows` is at most kMaxBatchRows. Names and nullability are the plan's business: a
// batch carries types only.
#pragma once

#include <arrow/buffer.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "column/column.h"
#include "column/selection.h"

namespace gristmill::column {

// Source position of rows, for error messages. Physical row i is source row first_row + i, or rows[i] when explicit.
struct Origin {
  int32_t input = -1;                   // index of the scan's file; -1: not from a file
  int64_t first_row = -1;               // -1: not known any more (after a join, an aggregate)
  std::shared_ptr<arrow::Buffer> rows;  // int64 each, after compaction
  int64_t row_of(int64_t i) const;
};

struct Batch {
  std::vector<Column> columns;
  int64_t rows = 0;
  Selection selection;
  Origin origin;

  int64_t selected() const { return selection.count(rows); }
};

// The selected rows only, densely; origin rows become explicit when `keep_origin`. No-op without a selection.
arrow::Result<Batch> compact(Batch batch, arrow::MemoryPool* pool, bool keep_origin = false);
Batch slice(const Batch& batch, int64_t offset, int64_t length);                           // physical rows; selection restricted
arrow::Result<Batch> import_batch(const arrow::RecordBatch& rb, arrow::MemoryPool* pool);  // rows <= kMaxBatchRows not required; cut later
arrow::Result<std::shared_ptr<arrow::RecordBatch>> export_batch(const Batch& b, const std::shared_ptr<arrow::Schema>& schema,
                                                                arrow::MemoryPool* pool);
int64_t retained_bytes(const Batch& b);

}  // namespace gristmill::column
