// Whole batches: compaction, slicing, import and export column by column.

#include "column/batch.h"

#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/array_kernels.h"
#include "column/buffers.h"
#include "column/compact_together.h"
#include "column/kernels.h"

namespace gristmill::column {

int64_t Origin::row_of(int64_t i) const {
  if (rows) return reinterpret_cast<const int64_t*>(rows->data())[i];
  return first_row < 0 ? -1 : first_row + i;
}

arrow::Result<Batch> compact(Batch batch, arrow::MemoryPool* pool, bool keep_origin) {
  if (batch.selection.all()) return batch;
  const int64_t kept = batch.selected();
  Batch out;
  out.rows = kept;
  out.columns.reserve(batch.columns.size());
  for (size_t c = 0; c < batch.columns.size(); ++c) {
    ARROW_ASSIGN_OR_RAISE(Column column, compact_column(batch, c, pool));
    out.columns.push_back(std::move(column));
  }
  out.origin.input = batch.origin.input;
  if (keep_origin && (batch.origin.rows || batch.origin.first_row >= 0)) {
    ARROW_ASSIGN_OR_RAISE(out.origin.rows, allocate_buffer(kept * 8, pool));
    auto* rows = reinterpret_cast<int64_t*>(out.origin.rows->mutable_data());
    const std::span<const uint16_t> live = batch.selection.indices(batch.rows);
    if (batch.origin.rows) {
      for (const uint16_t i : live) *rows++ = batch.origin.row_of(i);
    } else {
      for (size_t k = 0; k < live.size(); ++k) rows[k] = batch.origin.first_row + live[k];
    }
  }
  return out;
}

Batch slice(const Batch& batch, int64_t offset, int64_t length) {
  Batch out;
  out.rows = length;
  out.columns.reserve(batch.columns.size());
  for (const Column& c : batch.columns) out.columns.push_back(slice(c, offset, length));
  out.origin = batch.origin;
  if (batch.origin.rows) {
    out.origin.rows = arrow::SliceBuffer(batch.origin.rows, offset * 8, length * 8);
  } else if (batch.origin.first_row >= 0) {
    out.origin.first_row += offset;
  }
  if (!batch.selection.all()) {
    std::vector<uint16_t> rows;
    for (uint16_t i : batch.selection.indices(batch.rows)) {
      if (i >= offset && i < offset + length) rows.push_back(static_cast<uint16_t>(i - offset));
    }
    out.selection = Selection::from_indices(std::move(rows), length);
  }
  return out;
}

arrow::Result<Batch> import_batch(const arrow::RecordBatch& rb, arrow::MemoryPool* pool) {
  Batch out;
  out.rows = rb.num_rows();
  out.columns.reserve(static_cast<size_t>(rb.num_columns()));
  for (int i = 0; i < rb.num_columns(); ++i) {
    ARROW_ASSIGN_OR_RAISE(Column c, import_array(rb.column_data(i), pool));
    out.columns.push_back(std::move(c));
  }
  return out;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> export_batch(const Batch& b, const std::shared_ptr<arrow::Schema>& schema,
                                                                arrow::MemoryPool* pool) {
  if (static_cast<size_t>(schema->num_fields()) != b.columns.size()) {
    return base::internal_error("a batch of " + std::to_string(b.columns.size()) + " columns was exported to a schema of " +
                                std::to_string(schema->num_fields()));
  }
  ARROW_ASSIGN_OR_RAISE(Batch dense, compact(b, pool));
  std::vector<std::shared_ptr<arrow::ArrayData>> arrays;
  arrays.reserve(dense.columns.size());
  for (int i = 0; i < schema->num_fields(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto array, export_array(dense.columns[i], dense.rows, schema->field(i)->type(), pool));
    arrays.push_back(std::move(array));
  }
  return arrow::RecordBatch::Make(schema, dense.rows, std::move(arrays));
}

int64_t retained_bytes(const Batch& b) {
  int64_t bytes = b.origin.rows ? b.origin.rows->size() : 0;
  for (const Column& c : b.columns) bytes += retained_bytes(c);
  return bytes;
}

}  // namespace gristmill::column
