// Rows of a record batch as batches of the engine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/type_fwd.h>

#include "column/selection.h"
#include "plan/table_source.h"

namespace gristmill::stream {

inline constexpr int64_t kBatchRows = column::kDefaultBatchRows;

struct RowRange {
  int64_t begin = 0, rows = 0;
};

// These columns of these rows (or of all), in order, in batches of about the same size and at most kBatchRows rows; `first_row` and
// `input` say where they come from.
arrow::Status emit_rows(const arrow::RecordBatch& all, RowRange range, const std::vector<int>& columns, int64_t first_row,
                        arrow::MemoryPool* pool, const plan::BatchConsumer& emit, plan::ScanCounts& counts, int32_t input = -1);
arrow::Status emit_rows(const arrow::RecordBatch& rows, const std::vector<int>& columns, int64_t first_row, arrow::MemoryPool* pool,
                        const plan::BatchConsumer& emit, plan::ScanCounts& counts, int32_t input = -1);

// Names and types in the same order; who may be null does not matter.
bool same_columns(const arrow::Schema& a, const arrow::Schema& b);
arrow::Status other_columns(const std::string& who, const arrow::Schema& came, const arrow::Schema& wanted);

}  // namespace gristmill::stream
