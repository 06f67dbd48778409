// Expressions over the rows of a batch where some rows may fail: which rows they are, exactly, and the values of the others.
//
// As long as nothing fails this is one evaluation, as in a plain plan. When it fails, the bad rows are looked for in windows that shrink
// where rows are bad and grow where they are good, on the expressions that can fail alone; then the good rows are evaluated at once. A
// batch of n rows with k bad ones costs about two evaluations of n rows and k of a few rows each, never k of n.
#pragma once

#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/batch.h"
#include "expr/evaluate.h"
#include "job/transform.h"

namespace gristmill::job {

class RowEvaluator final : public StepLocal {
 public:
  explicit RowEvaluator(arrow::MemoryPool* pool) : evaluator_(pool) {}

  // A column for each expression. Rows that fail are rejected and leave the batch's selection; of several expressions that fail in a row
  // the first is its error. Under `fail` (errors.wants_all() is false) only rows before the first bad one stay selected.
  arrow::Result<std::vector<column::Column>> evaluate(const std::vector<expr::BoundPtr>& expressions, column::Batch& batch,
                                                      RowErrors& errors);
  // Narrows the selection to the rows where the predicate is true; rows where it fails are rejected.
  arrow::Status keep(const expr::BoundPtr& predicate, column::Batch& batch, RowErrors& errors);

 private:
  arrow::Status drop_bad_rows(const std::vector<expr::BoundPtr>& expressions, column::Batch& batch, const arrow::Status& first,
                              RowErrors& errors);
  expr::Evaluator evaluator_;
};

}  // namespace gristmill::job
