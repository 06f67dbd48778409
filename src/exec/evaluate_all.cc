// Every expression is evaluated even after one failed: a later one may fail on an earlier row.

#include "exec/evaluate_all.h"

#include "base/status.h"

namespace gristmill::exec {

arrow::Result<std::vector<column::Column>> evaluate_all(expr::Evaluator& evaluator, const std::vector<expr::BoundPtr>& exprs,
                                                        const column::Batch& batch) {
  std::vector<column::Column> out;
  out.reserve(exprs.size());
  arrow::Status first;
  int64_t first_row = -1;
  for (const auto& e : exprs) {
    arrow::Result<column::Column> c = evaluator.evaluate(*e, batch);
    if (c.ok()) {
      out.push_back(std::move(*c));
      continue;
    }
    auto detail = base::error_detail(c.status());
    if (!detail || detail->batch_row < 0) return c.status();
    if (first_row < 0 || detail->batch_row < first_row) {
      first_row = detail->batch_row;
      first = c.status();
    }
  }
  ARROW_RETURN_NOT_OK(first);
  return out;
}

}  // namespace gristmill::exec
