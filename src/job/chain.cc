#include "job/chain.h"

#include <algorithm>

#include <arrow/type.h>

#include "base/status.h"
#include "column/kernels.h"
#include "exec/steady_clock.h"

namespace gristmill::job {

namespace {
constexpr int64_t kCompactBelow = 2;  // live rows * this < rows: dense from here down
}

const char* policy_name(Policy policy) {
  switch (policy) {
    case Policy::kFail: return "fail";
    case Policy::kSkip: return "skip";
    case Policy::kDeadLetter: return "dead_letter";
  }
  return "";
}

// A batch between two steps. `dense[i]` is the row of the source's batch that physical row i is; none: the same.
struct Chain::Passing {
  column::Batch source;
  column::Batch batch;
  std::vector<int64_t> dense;
  std::shared_ptr<Suspension> suspension;  // null: steps that ask wait

  int64_t source_row(int64_t i) const { return dense.empty() ? i : dense[static_cast<size_t>(i)]; }
};

class Errors final : public RowErrors {
 public:
  explicit Errors(Policy policy) : policy_(policy) {}
  void reject(int64_t row, arrow::Status error) override {
    if (policy_ != Policy::kFail) {
      rows_.emplace_back(row, std::move(error));
    } else if (rows_.empty() || row < rows_.front().first) {
      rows_.assign(1, {row, std::move(error)});
    }
  }
  bool wants_all() const override { return policy_ != Policy::kFail; }
  std::vector<std::pair<int64_t, arrow::Status>>& rows() { return rows_; }

 private:
  const Policy policy_;
  std::vector<std::pair<int64_t, arrow::Status>> rows_;
};

arrow::Result<Chain> Chain::bind(std::vector<std::unique_ptr<Transform>> steps, std::shared_ptr<arrow::Schema> input, Policy policy) {
  Chain out;
  out.input_ = input;
  out.policy_ = policy;
  for (auto& step : steps) {
    ARROW_ASSIGN_OR_RAISE(input, step->bind(input));
    out.behind_.push_back(input);
  }
  out.output_ = std::move(input);
  out.steps_ = std::move(steps);
  return out;
}

std::vector<bool> Chain::needs(std::vector<bool> wanted) const {
  const std::vector<bool> all(static_cast<size_t>(input_->num_fields()), true);
  for (size_t i = steps_.size(); i > 0; --i) {
    wanted = steps_[i - 1]->needs(wanted);
    if (wanted.empty()) return all;
  }
  return wanted;
}

arrow::Status Chain::open(const StepContext& context, std::vector<std::shared_ptr<NamedCounts>> counts) {
  pool_ = context.pool();
  contexts_.assign(steps_.size(), context);
  for (size_t i = 0; i < steps_.size(); ++i) {
    contexts_[i].counts = counts[i];
    ARROW_RETURN_NOT_OK(steps_[i]->open(contexts_[i]));
  }
  return arrow::Status::OK();
}

void Chain::close() {
  for (size_t i = contexts_.size(); i > 0; --i) steps_[i - 1]->close();
}

arrow::Result<std::unique_ptr<ChainLocal>> Chain::make_local(const StepContext& context) const {
  auto local = std::make_unique<ChainLocal>();
  for (size_t i = 0; i < steps_.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto one, steps_[i]->make_local(contexts_[i]));
    local->steps.push_back(std::move(one));
  }
  local->counts.resize(steps_.size());
  if (policy_ == Policy::kDeadLetter && !steps_.empty()) {
    ARROW_ASSIGN_OR_RAISE(local->records, RecordText::make(input_, context.pool()));
  }
  return local;
}

arrow::Status Chain::push(column::Batch batch, ChainLocal& local, const EmitBatch& emit,
                          const std::shared_ptr<Suspension>& suspension) const {
  if (steps_.empty()) return emit(std::move(batch));
  column::Batch source = batch;
  Passing rows{std::move(source), std::move(batch), {}, suspension};
  return pass(0, rows, local, emit);
}

arrow::Status Chain::resume(SuspendedBatch waited, ChainLocal& local, const EmitBatch& emit,
                            const std::shared_ptr<Suspension>& suspension) const {
  const int64_t since = exec::now_ns();
  Passing rows{std::move(waited.source), std::move(waited.batch), std::move(waited.dense), suspension};
  const int64_t came = rows.batch.selected();
  Errors errors(policy_);
  ARROW_RETURN_NOT_OK(steps_[waited.step]->asking()->finish_rows(rows.batch, *waited.pending, errors));
  waited.pending.reset();
  local.counts[waited.step].nanoseconds += exec::now_ns() - since;
  ARROW_RETURN_NOT_OK(leave(waited.step, came, rows, errors, local, emit));
  return pass(waited.step + 1, rows, local, emit);
}

arrow::Status Chain::suspend(size_t i, const AskingStep& step, Passing& rows) const {
  const std::shared_ptr<Suspension> to = rows.suspension;
  const size_t number = to->expect();
  const Wakes wakes{[to, number](bool failed) { to->answered(number, failed); }, [to] { to->takes_more(); }};
  auto pending = step.begin_rows(rows.batch, policy_ != Policy::kFail, wakes);
  if (!pending.ok()) {
    to->answered(number, true);  // nobody else will say it
    return pending.status();
  }
  to->add({std::move(rows.source), std::move(rows.batch), std::move(rows.dense), i, std::move(*pending)});
  return arrow::Status::OK();
}

size_t Chain::asking_steps() const {
  return static_cast<size_t>(std::count_if(steps_.begin(), steps_.end(), [](const auto& s) { return s->asking() != nullptr; }));
}

bool Chain::takes_any_batches() const {
  const bool ours = std::none_of(steps_.begin(), steps_.end(), [](const auto& s) { return s->shows_batches() || s->asking() != nullptr; });
  return ours && std::any_of(steps_.begin(), steps_.end(), [](const auto& s) { return s->computes(); });
}

bool Chain::takes_more() const {
  return std::all_of(steps_.begin(), steps_.end(), [](const auto& s) { return s->asking() == nullptr || s->asking()->takes_more(); });
}

arrow::Status Chain::make_dense(Passing& rows) const {
  const auto kept = rows.batch.selection.indices(rows.batch.rows);
  std::vector<int64_t> dense(kept.size());
  for (size_t i = 0; i < kept.size(); ++i) dense[i] = rows.source_row(kept[i]);
  ARROW_ASSIGN_OR_RAISE(rows.batch, column::compact(std::move(rows.batch), pool_, true));
  rows.dense = std::move(dense);
  return arrow::Status::OK();
}

arrow::Status Chain::pass(size_t i, Passing& rows, ChainLocal& local, const EmitBatch& emit) const {
  for (; i < steps_.size(); ++i) {
    const int64_t came = rows.batch.selected();
    if (came == 0) return arrow::Status::OK();
    const int64_t since = exec::now_ns();
    if (steps_[i]->computes() && !rows.batch.selection.all() && came * kCompactBelow < rows.batch.rows)
      ARROW_RETURN_NOT_OK(make_dense(rows));
    if (const AskingStep* asking = rows.suspension != nullptr ? steps_[i]->asking() : nullptr) {
      const arrow::Status status = suspend(i, *asking, rows);
      local.counts[i].nanoseconds += exec::now_ns() - since;
      return status;
    }
    Errors errors(policy_);
    ARROW_RETURN_NOT_OK(steps_[i]->process(rows.batch, *local.steps[i], errors));
    local.counts[i].nanoseconds += exec::now_ns() - since;
    ARROW_RETURN_NOT_OK(leave(i, came, rows, errors, local, emit));
  }
  if (rows.batch.selected() == 0) return arrow::Status::OK();
  return emit(std::move(rows.batch));
}

// Step i is through with the batch: what became of its rows.
arrow::Status Chain::leave(size_t i, int64_t came, Passing& rows, Errors& errors, ChainLocal& local, const EmitBatch& emit) const {
  const int64_t since = exec::now_ns();
  const auto bad = static_cast<int64_t>(errors.rows().size());
  if (bad > 0) ARROW_RETURN_NOT_OK(note_rejected(i, rows, errors, local));
  StepCounts& counts = local.counts[i];
  const int64_t left = rows.batch.selected();
  counts.rows_in += came;
  counts.rows_out += left;
  (policy_ == Policy::kSkip ? counts.skipped : counts.rejected) += bad;
  counts.filtered += came - left - bad;
  counts.batches++;
  counts.nanoseconds += exec::now_ns() - since;
  if (bad == 0 || policy_ != Policy::kFail) return arrow::Status::OK();
  // What the rows before it run into comes before this error.
  counts.filtered = 0;
  ARROW_RETURN_NOT_OK(pass(i + 1, rows, local, emit));
  return errors.rows().front().second;
}

// Bad rows leave the selection. Under fail the rows behind the first leave too, and the error gets its place in the source.
arrow::Status Chain::note_rejected(size_t step, Passing& rows, Errors& errors, ChainLocal& local) const {
  auto& bad = errors.rows();
  column::Batch& batch = rows.batch;
  const auto placed = [&](int64_t row, const arrow::Status& error) {
    const auto known = base::error_detail(error);
    base::ErrorDetail detail = known ? *known : base::ErrorDetail{};
    if (!known) detail.kind = base::ErrorKind::kData;
    detail.batch_row = rows.source_row(row);  // the scan knows the file
    return base::with_detail(error, std::move(detail));
  };
  if (policy_ == Policy::kFail) {
    const int64_t row = bad.front().first;
    bad.front().second = placed(row, bad.front().second);
    batch.selection = batch.selection.below(row, batch.rows);
    return arrow::Status::OK();
  }
  std::sort(bad.begin(), bad.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  column::Mask good = batch.selection.mask(batch.rows);
  for (const auto& [row, error] : bad) good.clear(row);
  batch.selection = column::Selection::from_mask(std::move(good));
  if (policy_ == Policy::kSkip) return arrow::Status::OK();
  std::vector<int64_t> source_rows;
  for (const auto& [row, error] : bad) source_rows.push_back(rows.source_row(row));
  ARROW_ASSIGN_OR_RAISE(std::vector<std::string> records, local.records->of(rows.source, source_rows));
  for (size_t k = 0; k < bad.size(); ++k) {
    Rejected r;
    r.input = rows.source.origin.input;
    r.row = rows.source.origin.row_of(source_rows[k]);
    r.record = std::move(records[k]);
    r.step = step;
    r.error = std::move(bad[k].second);
    local.rejected.push_back(std::move(r));
  }
  return arrow::Status::OK();
}

}  // namespace gristmill::job
