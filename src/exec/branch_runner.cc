#include "exec/branch_runner.h"

#include <algorithm>

#include "base/status.h"
#include "exec/morsel_status.h"
#include "exec/steady_clock.h"
#include "expr/user_function.h"
#include "sched/caller_interrupt.h"

namespace gristmill::exec {
namespace {

// What a row of the batch takes, strings counted as their views.
int64_t row_bytes(const column::Batch& batch) {
  int64_t bytes = 0;
  for (const auto& c : batch.columns) {
    auto p = column::physical_of(*c.type());
    bytes += c.is_dictionary() ? 4 : p.ok() ? std::max(1, column::byte_width(*p)) : 16;
  }
  return bytes;
}

}  // namespace

arrow::Status BranchRunner::open() {
  ARROW_ASSIGN_OR_RAISE(source_local_, branch_.source->make_local(context_));
  for (const auto& placed : branch_.operators) {
    ARROW_ASSIGN_OR_RAISE(auto local, placed.op->make_local(context_));
    locals_.push_back(std::move(local));
  }
  counts_.resize(branch_.operators.size() + 2);
  for (size_t i = 0; i <= branch_.operators.size(); ++i) {
    emits_.push_back([this, i](column::Batch b) { return push(i, std::move(b)); });
  }
  return arrow::Status::OK();
}

// Time is booked to whoever holds the thread: index 0 is the source, i + 1 operator i, the last the sink.
void BranchRunner::switch_clock(size_t to) {
  const int64_t now = now_ns();
  counts_[clock_of_].nanoseconds += now - clock_since_;
  clock_since_ = now;
  clock_of_ = to;
}

void BranchRunner::begin(uint64_t seq) {
  position_ = Position{seq, seq << 32};
  rows_of_morsel_ = 0;
  output_.clear();
  clock_of_ = 0;
  clock_since_ = now_ns();
  const auto& operators = branch_.operators;
  for (size_t i = 0; i < operators.size(); ++i) operators[i].op->begin_morsel(seq, *locals_[i]);
}

arrow::Status BranchRunner::run(const Morsel& morsel) {
  begin(morsel.seq);
  const expr::CancelScope cancel(context_.cancel);
  Source& source = *branch_.source;
  arrow::Status status = source.read(morsel.local, *source_local_, emits_[0], counts_[0]);
  if (status.ok()) {
    status = end(0);
  } else {
    reset();
  }
  switch_clock(0);
  return status;
}

// A morsel that ended early leaves nothing behind for the next one.
void BranchRunner::reset() {
  const auto& operators = branch_.operators;
  const Emit nowhere = [](column::Batch) { return arrow::Status::OK(); };
  for (size_t i = 0; i < operators.size(); ++i) (void)operators[i].op->end_morsel(*locals_[i], nowhere);
}

arrow::Status BranchRunner::end(size_t i) {
  const auto& operators = branch_.operators;
  for (; i < operators.size(); ++i) {
    switch_clock(i + 1);
    ARROW_RETURN_NOT_OK(operators[i].op->end_morsel(*locals_[i], emits_[i + 1]));
  }
  if (sink_ == nullptr) return arrow::Status::OK();
  switch_clock(operators.size() + 1);
  return sink_->end_morsel(position_, *sink_local_);
}

arrow::Status BranchRunner::push(size_t i, column::Batch batch) {
  const int64_t live = batch.selected();
  if (live == 0) return arrow::Status::OK();
  sched::poll_caller_interrupt();
  if (context_.cancel.cancelled()) return context_.cancel.check();
  if (position_.seq > closed_from_.load(std::memory_order_relaxed)) return stop_morsel();
  const size_t caller = clock_of_;
  counts_[i].out += live;
  counts_[i + 1].in += live;
  counts_[i + 1].batches++;
  if (i == 0) {
    rows_of_morsel_ += static_cast<uint64_t>(live);
    bytes_ += live * row_bytes(batch);
    ARROW_RETURN_NOT_OK(context_.cancel.check());
  }
  switch_clock(i + 1);
  arrow::Status status = call(i, batch);
  if (!status.ok()) {
    auto detail = base::error_detail(status);
    if (detail && detail->batch_row >= 0) {
      // The rows before the failing one go on first: what they run into comes before this error.
      column::Batch before = batch;
      before.selection = batch.selection.below(detail->batch_row, batch.rows);
      if (before.selected() > 0) ARROW_RETURN_NOT_OK(push(i, std::move(before)));
      status = place(status, batch);
    }
  }
  switch_clock(caller);
  return status;
}

arrow::Status BranchRunner::call(size_t i, column::Batch batch) {
  const auto& operators = branch_.operators;
  if (i < operators.size()) return operators[i].op->process(std::move(batch), *locals_[i], emits_[i + 1]);
  return to_sink(std::move(batch));
}

arrow::Status BranchRunner::to_sink(column::Batch batch) {
  if (sink_ == nullptr) {
    output_.push_back(std::move(batch));
    return arrow::Status::OK();
  }
  const int64_t rows = batch.rows;
  const Position at = position_;
  position_.order += static_cast<uint64_t>(rows);
  return sink_->consume(std::move(batch), at, *sink_local_);
}

// From a row of this batch to a row of the source.
arrow::Status BranchRunner::place(const arrow::Status& s, const column::Batch& batch) const {
  base::ErrorDetail detail = *base::error_detail(s);
  const int64_t row = batch.origin.row_of(detail.batch_row);
  detail.batch_row = -1;
  if (detail.row == kNoSourceRow) {
    detail.row = -1;
    return base::with_detail(s, std::move(detail));
  }
  if (row >= 0 && detail.row < 0) detail.row = row;
  if (batch.origin.input >= 0 && detail.file.empty()) detail.file = branch_.source->file_of(batch.origin.input);
  return base::with_detail(s, std::move(detail));
}

void BranchRunner::collect(int sink_node, const std::string& sink_name, RunReport& report) const {
  auto add = [&](int node, const std::string& name, const RowCounts& c) {
    for (auto& n : report.nodes) {
      if (n.plan_node == node && n.name == name) return n.counts.add(c);
    }
    report.nodes.push_back({node, name, c, {}});
  };
  add(branch_.source_node, branch_.source->name(), counts_[0]);
  for (size_t i = 0; i < branch_.operators.size(); ++i) {
    RowCounts c = counts_[i + 1];
    if (branch_.operators[i].op->generates_rows()) {
      c.generated = c.out;
      c.merged = c.in;
    } else {
      c.filtered = c.in - c.out;
    }
    add(branch_.operators[i].plan_node, branch_.operators[i].op->name(), c);
  }
  RowCounts c = counts_.back();
  add(sink_node, sink_name, c);
}

}  // namespace gristmill::exec
