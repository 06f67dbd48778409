// The selected rows of one column, of one batch or of several.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "column/batch.h"

namespace gristmill::column {

arrow::Result<Column> compact_column(const Batch& batch, size_t c, arrow::MemoryPool* pool);
// Of column c of all `parts`, `rows` of them, one part behind the other, each value copied once. None: this takes values of fixed width, or
// views of the same text, without nulls.
arrow::Result<std::optional<Column>> compact_together(std::span<const Batch> parts, size_t c, int64_t rows, arrow::MemoryPool* pool);

}  // namespace gristmill::column
