// Vectorised evaluation of bound expressions, one batch at a time. One Evaluator per worker: it holds scratch only.
//
// Results have `batch.rows` rows; rows outside the selection hold unspecified values. Kernels run over all rows; one that can
// fail reports only the smallest failing row that is selected (and valid), as a data error with batch_row set. "and", "or",
// "case", "coalesce" evaluate fallible branches under the narrowed selection. A deterministic expression over one
// dictionary column runs once per entry (unless it is fallible and an entry that fails is not selected: then row by row).
// The error reported is the one of the smallest failing row over the whole tree, so it does not depend on how rows are cut
// into batches. Constant results come back as constants.
#pragma once

#include <cstdint>
#include <memory>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/batch.h"
#include "expr/bind.h"

namespace gristmill::expr {

class EntryCache;  // entry_cache.h

class Evaluator {
 public:
  explicit Evaluator(arrow::MemoryPool* pool);
  ~Evaluator();
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;

  arrow::Result<column::Column> evaluate(const Bound& e, const column::Batch& batch);
  // Rows for which a bool expression is true, already within the batch's selection.
  arrow::Result<column::Mask> mask(const Bound& predicate, const column::Batch& batch);
  arrow::MemoryPool* pool() const { return pool_; }

 private:
  arrow::MemoryPool* pool_;
  std::unique_ptr<EntryCache> entries_;  // results per dictionary entry
};

}  // namespace gristmill::expr
