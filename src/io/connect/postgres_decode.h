// Rows of a binary COPY to columns: positions of all fields first, then column by column.
//
// Text and bytes are not copied: their views point into the rows as they came, which the column keeps alive.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/batch.h"
#include "io/connect/postgres_types.h"

namespace gristmill::io {

struct DecodeColumn {
  std::string name;
  PostgresType from;
  column::TypePtr to;  // canonical
};

// `rows` rows, one behind another without header and trailer. A value that `to` cannot hold is a data error with its batch_row and column.
arrow::Result<column::Batch> decode_copied(const std::shared_ptr<arrow::Buffer>& bytes, int64_t rows,
                                           const std::vector<DecodeColumn>& columns, bool check_utf8, arrow::MemoryPool* pool);

}  // namespace gristmill::io
