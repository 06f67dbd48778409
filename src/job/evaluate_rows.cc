#include "job/evaluate_rows.h"

#include <algorithm>

#include "base/status.h"
#include "exec/evaluate_all.h"
#include "job/steps/compute.h"

namespace gristmill::job {
namespace {

constexpr int64_t kFirstWindow = 64;
constexpr int64_t kLeastWindow = 8;
constexpr int64_t kGreatestWindow = 8192;

// The physical row that an error is about, or -1 when it is no row's.
int64_t failing_row(const arrow::Status& status) {
  const auto detail = base::error_detail(status);
  return detail ? detail->batch_row : -1;
}

std::vector<expr::BoundPtr> fallible_of(const std::vector<expr::BoundPtr>& expressions) {
  std::vector<expr::BoundPtr> out;
  for (const auto& e : expressions) {
    if (e->fallible) out.push_back(e);
  }
  return out;
}

// Physical rows [first, first + n) of what the expressions read; other columns are left as they are, nobody looks at them.
class Windows {
 public:
  Windows(const column::Batch& batch, const std::vector<expr::BoundPtr>& expressions)
      : batch_(batch), selected_(batch.selection.mask(batch.rows)), used_(batch.columns.size(), false) {
    for (const auto& e : expressions) mark_inputs(*e, used_);
    window_.columns = batch.columns;
  }

  const column::Batch& at(int64_t first, int64_t n) {
    window_.rows = n;
    for (size_t c = 0; c < used_.size(); ++c) {
      if (used_[c]) window_.columns[c] = column::slice(batch_.columns[c], first, n);
    }
    std::vector<uint16_t> rows;
    for (int64_t i = 0; i < n; ++i) {
      if (selected_.get(first + i)) rows.push_back(static_cast<uint16_t>(i));
    }
    window_.selection = column::Selection::from_indices(std::move(rows), n);
    return window_;
  }

 private:
  const column::Batch& batch_;
  const column::Mask selected_;
  std::vector<bool> used_;
  column::Batch window_;
};

}  // namespace

arrow::Result<std::vector<column::Column>> RowEvaluator::evaluate(const std::vector<expr::BoundPtr>& expressions, column::Batch& batch,
                                                                  RowErrors& errors) {
  auto columns = exec::evaluate_all(evaluator_, expressions, batch);
  if (columns.ok() || failing_row(columns.status()) < 0) return columns;
  ARROW_RETURN_NOT_OK(drop_bad_rows(fallible_of(expressions), batch, columns.status(), errors));
  return exec::evaluate_all(evaluator_, expressions, batch);
}

arrow::Status RowEvaluator::keep(const expr::BoundPtr& predicate, column::Batch& batch, RowErrors& errors) {
  auto mask = evaluator_.mask(*predicate, batch);
  if (!mask.ok() && failing_row(mask.status()) >= 0) {
    ARROW_RETURN_NOT_OK(drop_bad_rows({predicate}, batch, mask.status(), errors));
    mask = evaluator_.mask(*predicate, batch);
  }
  ARROW_RETURN_NOT_OK(mask.status());
  batch.selection = column::Selection::from_mask(std::move(*mask));
  return arrow::Status::OK();
}

arrow::Status RowEvaluator::drop_bad_rows(const std::vector<expr::BoundPtr>& expressions, column::Batch& batch, const arrow::Status& first,
                                          RowErrors& errors) {
  const int64_t bad = failing_row(first);
  errors.reject(bad, first);
  if (!errors.wants_all()) {
    batch.selection = batch.selection.below(bad, batch.rows);
    return arrow::Status::OK();
  }
  column::Mask good = batch.selection.mask(batch.rows);
  good.clear(bad);
  Windows windows(batch, expressions);
  int64_t window = kFirstWindow;
  for (int64_t at = bad + 1; at < batch.rows;) {
    const int64_t n = std::min(window, batch.rows - at);
    const column::Batch& part = windows.at(at, n);
    const arrow::Status status = part.selected() == 0 ? arrow::Status::OK() : exec::evaluate_all(evaluator_, expressions, part).status();
    if (status.ok()) {
      at += n;
      window = std::min(window * 2, kGreatestWindow);
      continue;
    }
    const int64_t row = failing_row(status);
    if (row < 0) return status;
    errors.reject(at + row, status);
    good.clear(at + row);
    at += row + 1;
    window = std::max(window / 2, kLeastWindow);
  }
  batch.selection = column::Selection::from_mask(std::move(good));
  return arrow::Status::OK();
}

}  // namespace gristmill::job
