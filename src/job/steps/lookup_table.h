// Rows found by key: a table in memory under a hash index.
//
// Keys are equal as in a join: NULL equals nothing, NaN equals NaN, -0.0 equals 0.0. Built once, then read by all workers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "base/memory_budget.h"
#include "column/batch.h"

namespace gristmill::job {

enum class Duplicates { kError, kFirst, kLast };

class LookupTable {
 public:
  // `table`: key columns first, as errors call them, then those that are given out. Its memory is the pool's, and reserved in `memory`.
  static arrow::Result<LookupTable> make(const arrow::Table& table, const std::vector<std::string>& keys, Duplicates duplicates,
                                         const std::shared_ptr<base::QueryMemory>& memory);

  // The row of each selected row of the batch, or -1 where there is none; `out` has an entry a physical row. `keys`: of the batch, with the
  // canonical types of the table's.
  void find(const std::vector<column::Column>& keys, const column::Batch& batch, std::vector<int64_t>& out) const;
  // Column `i` of those that are given out, by rows that find() gave; -1 is NULL.
  arrow::Result<column::Column> take(size_t i, const std::vector<int64_t>& rows, arrow::MemoryPool* pool) const;
  int64_t rows() const { return rows_; }

 private:
  arrow::Status index(Duplicates duplicates, const std::vector<std::string>& names);
  std::vector<column::Column> keys_, values_;
  std::vector<int64_t> slots_;  // open addressing; -1: free
  std::vector<uint64_t> hashes_;
  int64_t rows_ = 0;
  base::Reservation held_;
};

}  // namespace gristmill::job
