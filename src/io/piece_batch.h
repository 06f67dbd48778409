// Encoded rows on their way through a ring: bytes that travel as a batch of one constant column, so that they are counted and ordered like
// rows.
#pragma once

#include <cstdint>
#include <string_view>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/batch.h"

namespace gristmill::io {

arrow::Result<column::Batch> piece_batch(std::string_view bytes, int64_t rows, arrow::MemoryPool* pool);
inline std::string_view piece_of(const column::Batch& b) { return column::view_at(*b.columns[0].values, 0); }

}  // namespace gristmill::io
