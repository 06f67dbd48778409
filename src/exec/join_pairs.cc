// Pairs are gathered to a batch whichever probe rows they belong to, so a join of few matches a row is no slower for it.
//
// Build rows that need no more pairs are taken out of their chains by whoever walks past them: each is met about once more, however
// many probe rows there are to its key. Writers may disagree on how far a link goes, but only over rows that are done.

#include "exec/join_pairs.h"

#include "base/status.h"
#include "column/kernels.h"
#include "exec/join_prober.h"
#include "sched/caller_interrupt.h"

namespace gristmill::exec {

PairFilter::PairFilter(expr::BoundPtr residual, int width, std::vector<std::pair<int, OutputColumn>> columns, int64_t batch_rows,
                       base::CancelToken cancel, arrow::MemoryPool* pool)
    : residual_(std::move(residual)),
      width_(width),
      columns_(std::move(columns)),
      batch_rows_(batch_rows),
      cancel_(std::move(cancel)),
      pool_(pool),
      evaluator_(pool) {}

arrow::Status PairFilter::run(const BuildRows& build, const column::Batch& batch, const int32_t* first, const Visitor& visitor) {
  if (residual_->fallible) ARROW_RETURN_NOT_OK(pass(build, batch, first, nullptr));
  return pass(build, batch, first, &visitor);
}

// The next row of the same key, of those that are not done.
int32_t PairFilter::after(const BuildRows& build, int32_t row, const BuildMarks* done) const {
  int32_t* const next = build.table->links();
  if (!next) return kNoRow;
  if (!done) return next[row];
  const auto link = [&](int32_t of) { return std::atomic_ref<int32_t>(next[of]); };
  const int32_t follows = link(row).load(std::memory_order_relaxed);
  int32_t open = follows;
  while (open >= 0 && done->marked(open)) open = link(open).load(std::memory_order_relaxed);
  if (open != follows) link(row).store(open, std::memory_order_relaxed);
  return open;
}

arrow::Status PairFilter::pass(const BuildRows& build, const column::Batch& batch, const int32_t* first, const Visitor* visitor) {
  const BuildMarks* const done = visitor ? visitor->first_of_build : nullptr;
  const auto live = batch.selection.indices(batch.rows);
  probe_.clear();
  build_.clear();
  number_.clear();
  row_ = 0;
  any_ = false;
  for (size_t j = 0; j < live.size(); ++j) {
    int32_t row = first[live[j]];
    if (done && row >= 0 && done->marked(row)) row = after(build, row, done);
    for (; row >= 0; row = after(build, row, done)) {
      probe_.push_back(live[j]);
      build_.push_back(row);
      number_.push_back(static_cast<uint32_t>(j));
      if (static_cast<int64_t>(probe_.size()) < batch_rows_) continue;
      ARROW_RETURN_NOT_OK(flush(build, batch, visitor));
      if (visitor && visitor->first_of_probe && row_ == j && any_) break;
    }
  }
  ARROW_RETURN_NOT_OK(flush(build, batch, visitor));
  for (; visitor && row_ < live.size(); ++row_, any_ = false) ARROW_RETURN_NOT_OK(visitor->end(live[row_], any_));
  return arrow::Status::OK();
}

arrow::Status PairFilter::flush(const BuildRows& build, const column::Batch& batch, const Visitor* visitor) {
  if (probe_.empty()) return arrow::Status::OK();
  sched::poll_caller_interrupt();
  ARROW_RETURN_NOT_OK(cancel_.check());
  ARROW_ASSIGN_OR_RAISE(const column::Mask meets, check(build, batch));
  if (visitor) {
    const auto live = batch.selection.indices(batch.rows);
    for (size_t k = 0; k < probe_.size(); ++k) {
      for (; row_ < number_[k]; ++row_, any_ = false) ARROW_RETURN_NOT_OK(visitor->end(live[row_], any_));
      if (!meets.get(static_cast<int64_t>(k))) continue;
      any_ = true;
      ARROW_RETURN_NOT_OK(visitor->pair(probe_[k], build_[k]));
    }
  }
  probe_.clear();
  build_.clear();
  number_.clear();
  return arrow::Status::OK();
}

arrow::Result<column::Mask> PairFilter::check(const BuildRows& build, const column::Batch& batch) {
  column::Batch pairs;
  pairs.rows = static_cast<int64_t>(probe_.size());
  pairs.columns.resize(static_cast<size_t>(width_));
  for (const auto& [at, c] : columns_) {
    column::Column& to = pairs.columns[static_cast<size_t>(at)];
    if (to.values) continue;
    const size_t index = static_cast<size_t>(c.index);
    if (c.from == OutputColumn::kBuild) {
      ARROW_ASSIGN_OR_RAISE(to, column::take(build.columns[index], std::span<const int32_t>(build_), pool_));
    } else {
      ARROW_ASSIGN_OR_RAISE(to, column::take(batch.columns[index], std::span<const int32_t>(probe_), pool_));
    }
  }
  arrow::Result<column::Mask> meets = evaluator_.mask(*residual_, pairs);
  if (meets.ok()) return meets;
  const auto detail = base::error_detail(meets.status());
  if (!detail || detail->batch_row < 0) return meets;
  base::ErrorDetail placed = *detail;
  placed.batch_row = probe_[static_cast<size_t>(detail->batch_row)];
  placed.row = kNoSourceRow;
  if (placed.column.starts_with("l.") || placed.column.starts_with("r.")) placed.column.erase(0, 2);  // as pair_schema() calls it
  return base::with_detail(meets.status(), std::move(placed));
}

}  // namespace gristmill::exec
