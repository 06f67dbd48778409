// Calls users' functions on batches cut by the number of rows alone: rows 0 .. n-1 of what comes, n .. 2n-1, and so on, the last one
// shorter.
//
// The pipeline is sequential, so rows come in order and the state needs no lock. Arguments are computed as rows come, where an error still
// knows its row; rows wait until their batch is full for every function. Functions with different batches share the wait: a batch of
// each is called when its last row is there, and rows go on when all their values are known.
//
// Invariant: what a function sees depends on the rows and its batch size only, never on morsels, batches of the engine or workers.

#include "exec/batch_functions.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "base/status.h"
#include "column/kernels.h"
#include "exec/evaluate_all.h"
#include "expr/user_function.h"

namespace gristmill::exec {
namespace {

using column::Batch;
using column::Column;

// A function, the arguments of rows that wait for its batch, and the values of rows that have not left yet.
struct Called {
  expr::BoundWindow function;
  std::vector<std::vector<Column>> waiting;  // arguments, part by part
  std::vector<int64_t> waiting_rows;
  int64_t waits = 0;
  std::deque<std::pair<Column, int64_t>> values;  // with their number
  int64_t known = 0;                              // values of rows that have not left
  int64_t seen = 0;                               // rows of all batches so far

  int64_t batch_rows() const { return function.user->batch_rows(); }
};

struct Waiting {
  std::vector<Called> called;
  std::deque<Batch> rows;  // dense
  int64_t held = 0;
};

struct Local final : LocalState {
  explicit Local(const QueryContext& c) : evaluator(c.pool()), cancel(c.cancel) {}
  expr::Evaluator evaluator;
  base::CancelToken cancel;
};

// Row `row`, counted from the rows that wait, as a row of its source.
int64_t source_row(const Waiting& state, int64_t row) {
  for (const Batch& b : state.rows) {
    if (row < b.rows) return b.origin.row_of(row);
    row -= b.rows;
  }
  return -1;
}

// Of a batch whose first row is `first` of the rows that wait. The function's own row becomes the source's.
arrow::Status placed(const Waiting& state, int64_t first, const arrow::Status& status) {
  const auto known = base::error_detail(status);
  if (!known || known->batch_row < 0) return status;
  base::ErrorDetail detail = *known;
  detail.row = source_row(state, first + detail.batch_row);
  detail.batch_row = -1;
  return base::with_detail(status, std::move(detail));
}

// The first `n` rows of the arguments that wait, as one column each.
arrow::Result<std::vector<Column>> take_arguments(Called& f, int64_t n, arrow::MemoryPool* pool) {
  std::vector<Column> out;
  const size_t width = f.function.args.size();
  std::vector<std::vector<Column>> parts(width);
  std::vector<int64_t> rows;
  int64_t taken = 0;
  size_t used = 0;
  while (taken < n) {
    const int64_t have = f.waiting_rows[used], some = std::min(have, n - taken);
    for (size_t a = 0; a < width; ++a) {
      Column& c = f.waiting[used][a];
      parts[a].push_back(some == have ? c : column::slice(c, 0, some));
      if (some < have) c = column::slice(c, some, have - some);
    }
    rows.push_back(some);
    taken += some;
    if (some == have) {
      ++used;
    } else {
      f.waiting_rows[used] -= some;
    }
  }
  f.waiting.erase(f.waiting.begin(), f.waiting.begin() + static_cast<std::ptrdiff_t>(used));
  f.waiting_rows.erase(f.waiting_rows.begin(), f.waiting_rows.begin() + static_cast<std::ptrdiff_t>(used));
  f.waits -= n;
  for (size_t a = 0; a < width; ++a) {
    ARROW_ASSIGN_OR_RAISE(Column whole, column::concat(parts[a], rows, pool));
    ARROW_ASSIGN_OR_RAISE(whole, column::flatten(whole, n, pool));
    out.push_back(std::move(whole));
  }
  return out;
}

arrow::Status call_one(Waiting& state, Called& f, int64_t n, Local& local) {
  ARROW_RETURN_NOT_OK(local.cancel.check());
  arrow::MemoryPool* const pool = local.evaluator.pool();
  ARROW_ASSIGN_OR_RAISE(const std::vector<Column> args, take_arguments(f, n, pool));
  auto values = expr::call_user_function(f.function.user, args, n, f.function.type, pool);
  if (!values.ok()) return placed(state, f.known, values.status());
  f.values.emplace_back(std::move(*values), n);
  f.known += n;
  f.seen += n;
  return arrow::Status::OK();
}

// The next `n` values; they lie in one piece, as rows leave no further than the shortest piece reaches.
Column take_values(Called& f, int64_t n) {
  auto& [values, have] = f.values.front();
  Column out = n == have ? values : column::slice(values, 0, n);
  if (n == have) {
    f.values.pop_front();
  } else {
    values = column::slice(values, n, have - n);
    have -= n;
  }
  f.known -= n;
  return out;
}

// Rows whose values are all known go on.
arrow::Status leave(Waiting& state, const Emit& emit) {
  while (!state.rows.empty()) {
    int64_t n = state.rows.front().rows;
    for (const Called& f : state.called) n = std::min(n, f.values.empty() ? 0 : f.values.front().second);
    if (n == 0) return arrow::Status::OK();
    Batch& front = state.rows.front();
    const int64_t left = front.rows - n;
    Batch out = left == 0 ? std::move(front) : column::slice(front, 0, n);
    if (left == 0) {
      state.rows.pop_front();
    } else {
      front = column::slice(front, n, left);
    }
    for (Called& f : state.called) out.columns.push_back(take_values(f, n));
    state.held -= n;
    ARROW_RETURN_NOT_OK(emit(std::move(out)));
  }
  return arrow::Status::OK();
}

class Operation final : public Operator {
 public:
  Operation(std::shared_ptr<Waiting> state, std::string label) : state_(std::move(state)), label_(std::move(label)) {
    for (const Called& f : state_->called) {
      for (const auto& a : f.function.args) args_.push_back(a);
    }
  }
  std::string name() const override { return "batches " + label_; }
  bool generates_rows() const override { return true; }  // of the rows before; the last ones leave by the source behind
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) const override {
    return std::make_unique<Local>(context);
  }

  arrow::Status process(Batch batch, LocalState& raw, const Emit& emit) const override {
    Local& local = raw.as<Local>();
    Waiting& state = *state_;
    // All that can fail on a row of this batch comes before anything changes.
    if (!batch.selection.all()) {
      std::vector<int64_t> back;
      for (const uint16_t i : batch.selection.indices(batch.rows)) back.push_back(i);
      ARROW_ASSIGN_OR_RAISE(batch, column::compact(std::move(batch), local.evaluator.pool(), true));
      ARROW_RETURN_NOT_OK(add(state, local, std::move(batch), &back));
    } else {
      ARROW_RETURN_NOT_OK(add(state, local, std::move(batch), nullptr));
    }
    while (Called* f = next_full(state)) {
      ARROW_RETURN_NOT_OK(call_one(state, *f, f->batch_rows(), local));
      ARROW_RETURN_NOT_OK(leave(state, emit));
    }
    return arrow::Status::OK();
  }

 private:
  // Of the batches that are full the one whose last row came first: as if rows came one by one, so that the same error comes first.
  static Called* next_full(Waiting& state) {
    Called* out = nullptr;
    for (Called& f : state.called) {
      if (f.waits >= f.batch_rows() && (out == nullptr || f.seen + f.batch_rows() < out->seen + out->batch_rows())) out = &f;
    }
    return out;
  }

  arrow::Status add(Waiting& state, Local& local, Batch batch, const std::vector<int64_t>* back) const {
    auto computed = evaluate_all(local.evaluator, args_, batch);
    if (!computed.ok()) {
      const auto known = base::error_detail(computed.status());
      if (back == nullptr || !known || known->batch_row < 0) return computed.status();
      base::ErrorDetail detail = *known;
      detail.batch_row = (*back)[static_cast<size_t>(detail.batch_row)];
      return base::with_detail(computed.status(), std::move(detail));
    }
    auto next = computed->begin();
    for (Called& f : state.called) {
      const auto width = static_cast<std::ptrdiff_t>(f.function.args.size());
      f.waiting.emplace_back(next, next + width);
      f.waiting_rows.push_back(batch.rows);
      f.waits += batch.rows;
      next += width;
    }
    state.held += batch.rows;
    state.rows.push_back(std::move(batch));
    return arrow::Status::OK();
  }

  std::shared_ptr<Waiting> state_;
  std::string label_;
  std::vector<expr::BoundPtr> args_;
};

// One morsel: the last, shorter batch of every function.
class Rest final : public Source {
 public:
  Rest(std::shared_ptr<Waiting> state, std::string label) : state_(std::move(state)), label_(std::move(label)) {}
  std::string name() const override { return "last batch " + label_; }
  arrow::Result<int64_t> start(const QueryContext&) override { return 1; }
  arrow::Result<std::unique_ptr<LocalState>> make_local(const QueryContext& context) override { return std::make_unique<Local>(context); }
  arrow::Status read(uint64_t, LocalState& raw, const Emit& emit, RowCounts& counts) override {
    Local& local = raw.as<Local>();
    counts.in += state_->held;
    for (Called& f : state_->called) {
      if (f.waits > 0) ARROW_RETURN_NOT_OK(call_one(*state_, f, f.waits, local));
    }
    return leave(*state_, emit);
  }

 private:
  std::shared_ptr<Waiting> state_;
  std::string label_;
};

}  // namespace

BatchFunctions make_batch_functions(std::vector<expr::BoundWindow> functions, std::string label) {
  auto state = std::make_shared<Waiting>();
  for (expr::BoundWindow& f : functions) {
    Called called;
    called.function = std::move(f);
    state->called.push_back(std::move(called));
  }
  return {std::make_shared<Operation>(state, label), std::make_shared<Rest>(state, label)};
}

}  // namespace gristmill::exec
