// What sources have in common: rows that come as record batches.

#include "stream/source.h"

#include <algorithm>

#include <arrow/record_batch.h>

#include "base/status.h"
#include "column/batch.h"

namespace gristmill::stream {

arrow::Status EndlessSource::decode(const Chunk& chunk, const std::vector<int>& columns, plan::ScanLocal&, arrow::MemoryPool* pool,
                                    const plan::BatchConsumer& emit, plan::ScanCounts& counts) {
  if (!chunk.rows) return base::internal_error("a chunk of " + name() + " has no rows");
  const int64_t rows = chunk.rows->num_rows();
  std::vector<column::Column> imported;
  imported.reserve(columns.size());
  for (const int c : columns) {
    ARROW_ASSIGN_OR_RAISE(column::Column values, column::import_array(chunk.rows->column_data(c), pool));
    imported.push_back(std::move(values));
  }
  for (int64_t at = 0; at < rows; at += column::kMaxBatchRows) {
    column::Batch batch;
    batch.rows = std::min(column::kMaxBatchRows, rows - at);
    batch.origin.input = chunk.partition;
    batch.origin.first_row = chunk.position + at;
    const bool whole = batch.rows == rows;
    for (const column::Column& c : imported) batch.columns.push_back(whole ? c : column::slice(c, at, batch.rows));
    counts.rows += batch.rows;
    ARROW_RETURN_NOT_OK(emit(std::move(batch)));
  }
  return arrow::Status::OK();
}

}  // namespace gristmill::stream
