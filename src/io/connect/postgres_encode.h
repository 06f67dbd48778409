// Columns to rows of a binary COPY, with every value looked at first: what PostgreSQL cannot hold is a data error that names row, column
// and value, before anything counts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/batch.h"
#include "io/connect/postgres_types.h"

namespace gristmill::io {

struct ValueEncoder;

class RowEncoder {
 public:
  struct Target {
    std::string name;
    column::TypePtr from;  // border type
    PostgresType to;
  };
  // A plan error for pairs of types that do not go together.
  static arrow::Result<RowEncoder> make(const std::vector<Target>& targets);

  // Rows of a dense batch from `first` on are appended until `bytes` are there; how many. Nothing of a row that fails is
  // left in `out`; the error has its batch_row and column, and `done` says how many rows before it were appended.
  arrow::Status append(const column::Batch& flat, int64_t first, size_t bytes, std::string& out, int64_t& done) const;
  // The batch as append() takes it.
  static arrow::Result<column::Batch> flatten(column::Batch batch, arrow::MemoryPool* pool);

  static std::string header();
  static std::string trailer();

 private:
  std::vector<std::string> names_;
  std::vector<std::shared_ptr<const ValueEncoder>> columns_;
};

}  // namespace gristmill::io
