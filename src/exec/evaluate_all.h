// Several expressions over one batch: of several failing rows the smallest is the error, of several failing
// expressions on that row the first.
#pragma once

#include <vector>

#include "column/batch.h"
#include "expr/evaluate.h"

namespace gristmill::exec {

arrow::Result<std::vector<column::Column>> evaluate_all(expr::Evaluator& evaluator, const std::vector<expr::BoundPtr>& exprs,
                                                        const column::Batch& batch);

}  // namespace gristmill::exec
