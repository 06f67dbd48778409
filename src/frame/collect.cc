// Running a frame: optimise, lower, run on the process's scheduler, hand the result out.
//
// Memory of a result belongs to its user: the buffers keep the query's pool alive, not its budget's headroom.

#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <filesystem>

#include "base/settings.h"
#include "base/status.h"
#include "exec/collect.h"
#include "exec/lower.h"
#include "frame/held_rows.h"
#include "frame/kept_table.h"
#include "frame/memory_table.h"
#include "frame/morsel_size.h"
#include "frame/query_runner.h"
#include "gristmill/frame.h"
#include "plan/light_work.h"
#include "plan/logical.h"
#include "plan/statistics.h"

namespace gristmill {

Cancellation::Cancellation() : state_(std::make_shared<base::CancelToken>()) {}
void Cancellation::cancel() const { static_cast<base::CancelToken*>(state_.get())->cancel(base::cancelled_error()); }
bool Cancellation::cancelled() const { return static_cast<base::CancelToken*>(state_.get())->cancelled(); }

namespace {
const base::Progress& counts_of(const std::shared_ptr<void>& state) { return *static_cast<const base::Progress*>(state.get()); }
}  // namespace

Progress::Progress() : state_(std::make_shared<base::Progress>()) {}
int64_t Progress::rows() const { return counts_of(state_).rows; }
std::pair<int64_t, int64_t> Progress::steps() const { return {counts_of(state_).tasks_done, counts_of(state_).tasks}; }
std::pair<int64_t, int64_t> Progress::morsels() const { return {counts_of(state_).morsels_done, counts_of(state_).morsels}; }

namespace {

constexpr int64_t kTightMemory = int64_t{512} << 20;  // up to this the batches in flight are kept small
constexpr int64_t kTightBatchRows = 8192;
// Up to so much work a row of min_parallel_rows a query is over before others have woken and met: 50,000 rows with two products and a sum
// took 0.19 ms on the caller's thread and 0.24 on two, 100,000 rows 0.30 and 0.40, 500,000 rows 1.0 and 0.76.
constexpr int64_t kLightWork = 64;

std::function<arrow::Status()>& interrupt_check() {
  static std::function<arrow::Status()> check;
  return check;
}
}  // namespace

void QueryRunner::set_interrupt(std::function<arrow::Status()> check) { interrupt_check() = std::move(check); }

std::function<arrow::Status()> QueryRunner::interrupt() { return interrupt_check(); }

std::function<arrow::Status()> QueryRunner::keep_waiting() const {
  return [interrupt = interrupt_check(), cancel = context_->cancel] {
    if (interrupt) ARROW_RETURN_NOT_OK(interrupt());
    return cancel.check();
  };
}

arrow::Result<QueryRunner> QueryRunner::make(const plan::PlanPtr& plan, const ParallelOptions& options, const Cancellation& cancel) {
  QueryRunner r;
  ARROW_ASSIGN_OR_RAISE(r.plan_, plan::optimize_shared(plan, options.ordered));
  ARROW_RETURN_NOT_OK(r.set_up(options, cancel));
  return r;
}

arrow::Result<QueryRunner> QueryRunner::make_together(plan::TogetherPlan plans, const ParallelOptions& options,
                                                      const Cancellation& cancel) {
  QueryRunner r;
  r.plan_.main = plans.common;
  r.together_ = std::move(plans);
  ARROW_RETURN_NOT_OK(r.set_up(options, cancel));
  return r;
}

arrow::Status QueryRunner::set_up(const ParallelOptions& options, const Cancellation& cancel) {
  if (options.num_workers < 0)
    return base::plan_error("num_workers must be 0 (all cores) or more, got " + std::to_string(options.num_workers));
  if (options.chunk_rows < 0 || options.chunk_bytes < 0) return base::plan_error("chunk_rows and chunk_bytes must be 0 (auto) or more");
  if (options.memory_limit < 0) return base::plan_error("memory_limit must be 0 (no limit of its own) or more bytes");
  if (options.batch_rows < 0 || options.batch_rows > column::kMaxBatchRows) {
    return base::plan_error("batch_rows must lie between 0 (auto) and " + std::to_string(column::kMaxBatchRows));
  }
  auto context = std::make_shared<exec::QueryContext>();
  context->memory = base::QueryMemory::make(options.memory_limit);
  context->cancel = *static_cast<base::CancelToken*>(cancel.state_.get());
  if (options.timeout) context->cancel.set_deadline(std::chrono::steady_clock::now() + *options.timeout);
  ARROW_ASSIGN_OR_RAISE(const int64_t morsel_setting, base::setting_int("GRISTMILL_MORSEL_ROWS"));
  const auto rows_of_morsels = [&](const plan::Plan& p) {
    const int64_t chosen = morsel_rows(p, options);
    return chosen == 0 ? morsel_setting : chosen;
  };
  context->morsel_rows = rows_of_morsels(*plan_.main);
  ARROW_ASSIGN_OR_RAISE(const int64_t batch_setting, base::setting_int("GRISTMILL_BATCH_ROWS"));
  const int64_t batch_rows = options.batch_rows > 0 ? options.batch_rows : batch_setting;
  if (options.memory_limit > 0 && options.memory_limit <= kTightMemory) context->batch_rows = context->scan_batch_rows = kTightBatchRows;
  if (batch_rows > 0) context->batch_rows = context->scan_batch_rows = std::min(batch_rows, column::kMaxBatchRows);
  if (options.progress) context->progress = std::static_pointer_cast<base::Progress>(options.progress->state_);
  context->exact_float_sums = options.exact_float_sums;
  context->spill_eagerly = base::setting_text("GRISTMILL_SPILL_EAGERLY") == "1";
  const auto is_small = [&](const plan::Plan& p) {
    const auto rows = plan::source_rows(p), work = plan::light_work(p);
    return (rows && *rows < options.min_parallel_rows) || (work && *work / kLightWork < options.min_parallel_rows);
  };
  const auto& parts = plan_.parts;
  const bool small =
      is_small(*plan_.main) && std::all_of(parts.begin(), parts.end(), [&](const auto& part) { return is_small(*part.plan); });
  settings_.options.inline_on_caller = options.num_workers == 1 || small;
  settings_.options.workers = settings_.options.inline_on_caller ? 1 : sched::resolve_workers(options.num_workers);
  settings_.options.pin = options.pin_workers;
  settings_.interrupt = interrupt_check();
  context->workers = settings_.options.workers;
  for (const plan::SharedPart& part : plan_.parts) {
    auto own = std::make_shared<exec::QueryContext>(*context);
    own->morsel_rows = rows_of_morsels(*part.plan);
    part_contexts_.push_back(std::move(own));
  }
  context_ = std::move(context);
  return arrow::Status::OK();
}

arrow::Status QueryRunner::run_parts() {
  constexpr int64_t kKeptBytes = int64_t{64} << 20, kShare = 8;  // of all parts together; of a query's limit
  if (plan_.parts.empty()) return arrow::Status::OK();
  const int64_t cap = context_->memory->cap();
  const int64_t most = (cap > 0 ? std::min(kKeptBytes, cap / kShare) : kKeptBytes) / static_cast<int64_t>(plan_.parts.size());
  for (size_t i = 0; i < plan_.parts.size(); ++i) {
    const plan::SharedPart& part = plan_.parts[i];
    auto sink = frame::make_held_sink(part.plan->schema, most);
    ARROW_ASSIGN_OR_RAISE(auto query, exec::lower(part.plan, sink, part_contexts_[i]));
    ARROW_RETURN_NOT_OK(exec::run(query, settings_, sched::Scheduler::process()));
    part.rows->fill(sink->source());
    parts_.push_back({query.plan, {}, nullptr, query.report});  // without what the run held
  }
  return arrow::Status::OK();
}

arrow::Status QueryRunner::run(std::shared_ptr<exec::OrderedSink> sink) {
  ARROW_RETURN_NOT_OK(context_->cancel.check());
  arrow::Status done = run_parts();
  if (!done.ok()) sink->abandon();
  if (done.ok()) done = run_main(std::move(sink));
  for (const plan::SharedPart& part : plan_.parts) part.rows->clear();
  return done;
}

arrow::Status QueryRunner::run_main(std::shared_ptr<exec::OrderedSink> sink) {
  ARROW_ASSIGN_OR_RAISE(query_, exec::lower(plan_.main, std::move(sink), context_));
  return exec::run(query_, settings_, sched::Scheduler::process());
}

arrow::Status QueryRunner::run_together(std::vector<std::shared_ptr<exec::OrderedSink>> sinks) {
  ARROW_RETURN_NOT_OK(context_->cancel.check());
  ARROW_ASSIGN_OR_RAISE(
      query_, exec::lower_together({together_.common, together_.rows.get()}, together_.users, std::move(sinks), context_));
  return exec::run(query_, settings_, sched::Scheduler::process());
}

std::string QueryRunner::analyze_text() const {
  std::string out = exec::analyze_text(query_);
  for (size_t i = 0; i < parts_.size(); ++i) out += plan_.parts[i].rows->name() + ", computed once:\n" + exec::analyze_text(parts_[i]);
  return out;
}

// The parts' reports stand in the report of the query that read them.
std::string QueryRunner::report_json() const {
  std::string out = exec::report_json(*query_.report);
  if (parts_.empty()) return out;
  out.pop_back();
  out += ",\"shared\":[";
  for (size_t i = 0; i < parts_.size(); ++i) out += (i == 0 ? "" : ",") + exec::report_json(*parts_[i].report);
  return out + "]}";
}

arrow::Result<Table> Frame::collect(ParallelOptions options, Cancellation cancel) const {
  ARROW_RETURN_NOT_OK(plan_->status());
  const auto schema = (**plan_)->schema;
  ARROW_ASSIGN_OR_RAISE(QueryRunner runner, QueryRunner::make(**plan_, options, cancel));
  const auto kept = frame::kept_schema(*schema);
  auto sink = exec::make_collect_sink(kept);
  ARROW_RETURN_NOT_OK(runner.run(sink));
  ARROW_ASSIGN_OR_RAISE(auto table, arrow::Table::FromRecordBatches(kept, sink->take()));
  return Table(std::move(table), schema, runner.report_json());
}

arrow::Status Frame::collect_batches(const std::function<arrow::Status(std::shared_ptr<arrow::RecordBatch>)>& each, ParallelOptions options,
                                     Cancellation cancel) const {
  ARROW_RETURN_NOT_OK(plan_->status());
  ARROW_ASSIGN_OR_RAISE(QueryRunner runner, QueryRunner::make(**plan_, options, cancel));
  return runner.run(exec::make_callback_sink((**plan_)->schema, each));
}

arrow::Result<std::string> Frame::explain_analyze(ParallelOptions options) const {
  ARROW_RETURN_NOT_OK(plan_->status());
  ARROW_ASSIGN_OR_RAISE(QueryRunner runner, QueryRunner::make(**plan_, options, {}));
  auto discard = [](std::shared_ptr<arrow::RecordBatch>) { return arrow::Status::OK(); };
  ARROW_RETURN_NOT_OK(runner.run(exec::make_callback_sink((**plan_)->schema, discard)));
  return runner.analyze_text();
}

Frame from_arrow(std::shared_ptr<arrow::Table> table) {
  auto source = frame::make_memory_table(std::move(table));
  if (!source.ok()) return Frame(source.status());
  return Frame(plan::make_scan(std::move(*source)));
}

}  // namespace gristmill
