#include "stream/chain.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include <arrow/record_batch.h>

#include "exec/morsel_status.h"
#include "exec/steady_clock.h"
#include "plan/nodes.h"
#include "stream/rows.h"

namespace gristmill::stream {

using plan::Plan;
using plan::PlanKind;

// The batch at hand as a table. Written between runs by the one thread that runs the chain.
class ChainLeaf final : public plan::TableSource {
 public:
  ChainLeaf(std::string name, std::shared_ptr<arrow::Schema> schema) : name_(std::move(name)), schema_(std::move(schema)) {}
  std::string kind() const override { return "batches"; }
  std::string name() const override { return name_; }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  plan::TableEstimate estimate() const override { return {kManyRows, false, {}}; }
  std::string to_json() const override { return "{}"; }
  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override;

  void set(RecordBatchPtr batch, int64_t morsel_rows, int64_t first_row) {
    batch_ = std::move(batch);
    morsel_rows_ = morsel_rows;
    first_row_ = first_row;
  }
  void let_read() { readable_ = true; }

 private:
  friend class LeafScan;
  const std::string name_;
  const std::shared_ptr<arrow::Schema> schema_;
  RecordBatchPtr batch_;
  int64_t morsel_rows_ = 0;  // 0: the whole batch is one morsel
  int64_t first_row_ = 0;
  bool readable_ = false;
};

class LeafScan final : public plan::Scan {
 public:
  LeafScan(const ChainLeaf& leaf, const plan::ScanRequest& request) : leaf_(leaf), columns_(request.columns), memory_(request.memory) {}
  int64_t num_morsels() const override {
    if (leaf_.morsel_rows_ == 0) return -1;  // a batch a morsel, as long as batches come
    return (leaf_.batch_->num_rows() + leaf_.morsel_rows_ - 1) / leaf_.morsel_rows_;
  }
  bool numbers_rows() const override { return true; }
  arrow::Result<Next> next(uint64_t) override { return Next{}; }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return std::make_unique<plan::ScanLocal>(); }
  arrow::Status read(uint64_t seq, plan::ScanLocal&, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    if (leaf_.morsel_rows_ == 0) return emit_rows(*leaf_.batch_, columns_, leaf_.first_row_, memory_->pool(), emit, counts);
    const int64_t at = static_cast<int64_t>(seq) * leaf_.morsel_rows_;
    const RowRange piece{at, std::min(leaf_.morsel_rows_, leaf_.batch_->num_rows() - at)};
    return emit_rows(*leaf_.batch_, piece, columns_, leaf_.first_row_ + at, memory_->pool(), emit, counts);
  }

 private:
  const ChainLeaf& leaf_;
  const std::vector<int> columns_;
  const std::shared_ptr<base::QueryMemory> memory_;
};

arrow::Result<std::shared_ptr<plan::Scan>> ChainLeaf::open(const plan::ScanRequest& request) const {
  if (!readable_) {
    return base::memory_error("the table that the stream is joined with does not fit the memory limit",
                              "raise memory_limit, or join a table with fewer columns");
  }
  return std::make_shared<LeafScan>(*this, request);
}

namespace {

bool has_stream_source(const Plan& plan) {
  bool out = false;
  for_each_table(plan, [&](const StreamTable& t) { out = out || dynamic_cast<const UserTable*>(&t) == nullptr; });
  return out;
}

// The one function whose batches the plan works on row by row; null when it is more than that.
std::shared_ptr<const PullTable> source_of(const Plan& p, bool* in_order) {
  switch (p.kind) {
    case PlanKind::kScan: {
      if (auto pull = std::dynamic_pointer_cast<const PullTable>(p.source)) return p.scan_limit ? nullptr : pull;
      const auto* users = dynamic_cast<const UserTable*>(p.source.get());
      if (users == nullptr) return nullptr;
      *in_order = *in_order || !may_run_side_by_side(*users);
      return source_of(*users->inputs()[0], in_order);
    }
    case PlanKind::kFilter:
    case PlanKind::kProject:
    case PlanKind::kExplode: return source_of(*p.inputs[0], in_order);
    case PlanKind::kJoin:
      if (plan::keeps_right_rows(p.join) || has_stream_source(*p.inputs[1])) return nullptr;
      return source_of(*p.inputs[0], in_order);
    default: return nullptr;
  }
}

bool has_users(const Plan& plan) {
  bool out = false;
  for_each_table(plan, [&](const StreamTable& t) { out = out || dynamic_cast<const UserTable*>(&t) != nullptr; });
  return out;
}

}  // namespace

Chain::~Chain() = default;

arrow::Result<std::unique_ptr<Chain>> Chain::make(const StreamState& state, const Cancellation& cancel, sched::Scheduler& scheduler) {
  bool in_order = false;
  auto out = std::make_unique<Chain>();
  out->source_ = source_of(*state.plan, &in_order);
  if (!out->source_) return std::unique_ptr<Chain>();
  out->scheduler_ = &scheduler;
  out->schema_ = state.plan->schema;
  out->leaf_ = std::make_shared<ChainLeaf>(out->source_->name(), out->source_->schema());
  ARROW_ASSIGN_OR_RAISE(out->run_, make_run_context(state, cancel));
  if (in_order || (has_users(*state.plan) && !out->run_.several)) {  // whoever sees one batch at a time sees it whole
    out->run_.settings.options.workers = 1;
    out->run_.settings.options.inline_on_caller = true;
  }
  ARROW_ASSIGN_OR_RAISE(out->bound_,
                        bind_tables(state.plan, out->run_, [&](const auto&, bool) { return plan::TableSourcePtr(out->leaf_); }));
  ARROW_RETURN_NOT_OK(out->open());
  return out;
}

arrow::Status Chain::open() {
  ARROW_RETURN_NOT_OK(bound_.prepare(run_, *scheduler_));
  ARROW_ASSIGN_OR_RAISE(const plan::PlanPtr optimized, plan::optimize(bound_.plan));
  ARROW_ASSIGN_OR_RAISE(exec::OpenQuery query, exec::lower_open(optimized, run_.query, report_));
  if (!query.first.nodes.empty()) {
    query.first.interrupt = run_.settings.interrupt;
    ARROW_RETURN_NOT_OK(scheduler_->run(query.first, run_.settings.options));
  }
  leaf_->let_read();
  rows_ = std::move(query.rows);
  sink_ = exec::make_collect_sink(schema_);
  ARROW_ASSIGN_OR_RAISE(segment_, rows_());
  if (segment_.branches.size() != 1) return base::internal_error("row-wise steps over one source have several branches");
  ARROW_RETURN_NOT_OK(segment_.branches[0].source->start(*run_.query).status());
  runner_ = std::make_unique<exec::BranchRunner>(segment_.branches[0], *run_.query, open_end_, nullptr, nullptr);
  if (bound_.users.empty()) task_ = std::make_shared<BatchTask>(segment_.branches[0], sink_, run_.query);
  return runner_->open();
}

arrow::Status Chain::process(RecordBatchPtr batch, std::deque<RecordBatchPtr>& out) {
  if (batch->num_rows() == 0) return arrow::Status::OK();
  if (!same_columns(*batch->schema(), *source_->given())) return other_columns(source_->name(), *batch->schema(), *source_->given());
  const bool alone = run_.settings.options.inline_on_caller || batch->num_rows() < run_.options.min_parallel_rows;
  return alone ? process_here(std::move(batch), out) : process_with_all(std::move(batch), out);
}

arrow::Status Chain::process_here(RecordBatchPtr batch, std::deque<RecordBatchPtr>& out) {
  const int64_t before = exec::now_ns(), rows = batch->num_rows();
  leaf_->set(std::move(batch), 0, rows_here_);
  rows_here_ += rows;
  const uint64_t seq = next_++;
  ARROW_ASSIGN_OR_RAISE(const exec::Source::Next claimed, segment_.branches[0].source->next(seq));
  if (claimed.end || claimed.wait) return base::internal_error("a batch at hand cannot be read");
  arrow::Status status = runner_->run(exec::Morsel{seq, 0, seq});
  if (exec::is_stop_morsel(status)) status = arrow::Status::OK();
  // A batch with a bad row gives nothing, as with several workers.
  if (status.ok()) status = hand_out(out);
  nanoseconds_here_ += exec::now_ns() - before;
  return status;
}

// What the sink would do with one morsel, without its way through a ring.
arrow::Status Chain::hand_out(std::deque<RecordBatchPtr>& out) {
  ARROW_ASSIGN_OR_RAISE(auto batches, sink_->stage(runner_->take_output(), *run_.query));
  append(std::move(batches), out);
  return arrow::Status::OK();
}

void Chain::append(std::vector<column::Batch> staged, std::deque<RecordBatchPtr>& out) const {
  for (column::Batch& b : staged) {
    if (b.rows == 0) continue;
    std::vector<std::shared_ptr<arrow::ArrayData>> columns;
    columns.reserve(b.columns.size());
    for (column::Column& c : b.columns) columns.push_back(std::move(c.values));
    out.push_back(arrow::RecordBatch::Make(schema_, b.rows, std::move(columns)));
  }
}

// At least a few morsels a worker, all of about the same size: a crumb at the end costs as much as a morsel.
int64_t Chain::rows_of_each(const arrow::RecordBatch& batch) const {
  if (const int64_t bytes = run_.options.chunk_bytes; bytes > 0) return rows_of_morsel(batch, 0, bytes);
  const int64_t rows = batch.num_rows();
  const int64_t most = std::clamp<int64_t>(rows / (4 * run_.settings.options.workers), 2048, 65'536);
  const int64_t morsels = (rows + most - 1) / most;
  return (rows + morsels - 1) / morsels;
}

arrow::Status Chain::process_with_all(RecordBatchPtr batch, std::deque<RecordBatchPtr>& out) {
  const int64_t before = exec::now_ns(), rows = batch->num_rows(), each = rows_of_each(*batch);
  leaf_->set(std::move(batch), each, rows_here_);
  rows_here_ += rows;
  sched::Query query;
  query.cancel = run_.query->cancel;
  query.interrupt = run_.settings.interrupt;
  if (task_) {
    task_->begin(next_with_all_);
    next_with_all_ += static_cast<uint64_t>((rows + each - 1) / each);
    query.nodes.push_back({task_, {}});
  } else {  // users' operators take their rows from scans of their own
    exec::PipelineSpec spec;
    spec.name = "batch";
    spec.resolve = rows_;
    spec.ordered = sink_;
    query.nodes.push_back({exec::make_pipeline_task(std::move(spec), run_.query, report_), {}});
  }
  const arrow::Status status = scheduler_->run(query, run_.settings.options);
  nanoseconds_with_all_ += exec::now_ns() - before;
  auto made = sink_->take();
  ARROW_RETURN_NOT_OK(status);
  for (RecordBatchPtr& b : made) out.push_back(std::move(b));
  if (!task_) return arrow::Status::OK();
  for (auto& morsel : task_->take()) append(std::move(morsel), out);
  return arrow::Status::OK();
}

StreamStats Chain::stats() const {
  exec::RunReport all;
  {
    std::lock_guard lock(report_->mutex);
    all.nodes = report_->nodes;
    all.statistics = report_->statistics;
    all.bytes_through = report_->bytes_through;
  }
  runner_->collect(-1, sink_->name(), all);
  if (task_) task_->report(all);
  sched::Statistics& s = all.statistics;
  s.num_workers = run_.settings.options.workers;
  if (s.workers.empty()) s.workers.resize(1);
  s.workers[0].processed_count += static_cast<int64_t>(next_);
  s.workers[0].rows += runner_->source_counts().in;
  s.workers[0].busy_seconds += static_cast<double>(nanoseconds_here_) * 1e-9;
  s.total_morsels_created += static_cast<int64_t>(next_);
  s.total_morsels_processed += static_cast<int64_t>(next_);
  s.processing_time_seconds = static_cast<double>(nanoseconds_with_all_ + nanoseconds_here_) * 1e-9;
  const double morsels = static_cast<double>(s.total_morsels_processed);
  s.morsels_per_second = s.processing_time_seconds > 0 ? morsels / s.processing_time_seconds : 0;
  if (morsels > 0) s.morsel_size_kb = static_cast<double>(all.bytes_through + runner_->bytes()) / 1024.0 / morsels;
  all.peak_bytes = run_.query->memory->peak();
  all.spilled_bytes = run_.query->memory->spilled_bytes();
  return with_user_reports(exec::report_json(all), bound_.users);
}

}  // namespace gristmill::stream
