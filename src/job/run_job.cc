// One run: steps bound, chains joined to the plan, sinks opened, and at the end the accounting.
//
// The first chain of row-wise steps works inside the source's scan, the last one, behind SQL, where rows reach the sink. Rows between two
// steps over all rows, and rows that a query might not read to their end or more than once, are held (in memory, then on disk): so every
// row of a source is read once and accounted for.

#include "job/run_job.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "base/topology.h"
#include "frame/held_rows.h"
#include "frame/query_runner.h"
#include "job/into_sink.h"
#include "job/job_source.h"
#include "job/job_steps.h"
#include "job/steps/route.h"
#include "job/stream_job.h"
#include "plan/logical.h"

namespace gristmill::job {
namespace {

namespace fs = std::filesystem;
constexpr int64_t kHeldBytes = int64_t{32} << 20;

arrow::Result<Frame> empty_frame(const std::shared_ptr<arrow::Schema>& schema) {
  ARROW_ASSIGN_OR_RAISE(auto table, arrow::Table::MakeEmpty(schema));
  return from_arrow(std::move(table));
}

// Columns and types through steps of their own: what can be wrong is known before anything runs.
arrow::Status check_steps(const Job& job, const Source& source, std::shared_ptr<arrow::Schema> schema, CheckedJob* out) {
  if (out != nullptr) out->steps.emplace_back(source.name(), schema);
  ARROW_ASSIGN_OR_RAISE(auto steps, make_steps(job));
  for (Step& step : steps) {
    if (auto* rows = std::get_if<std::unique_ptr<Transform>>(&step)) {
      ARROW_ASSIGN_OR_RAISE(schema, (*rows)->bind(schema));
    } else {
      ARROW_ASSIGN_OR_RAISE(const Frame before, empty_frame(schema));
      ARROW_ASSIGN_OR_RAISE(const Frame after, std::get<std::unique_ptr<FrameStep>>(step)->apply(before));
      ARROW_ASSIGN_OR_RAISE(schema, after.schema());
    }
    if (out != nullptr) out->steps.emplace_back(name_of(step), without_route(schema));
  }
  ARROW_ASSIGN_OR_RAISE(const Frame rows, empty_frame(without_route(schema)));
  for (const SinkEntry& entry : job.sinks) {
    ARROW_ASSIGN_OR_RAISE(const auto sink, entry.make());
    ARROW_ASSIGN_OR_RAISE(const Frame prepared, sink->prepare(rows));
    ARROW_RETURN_NOT_OK(prepared.plan().status());
  }
  return arrow::Status::OK();
}

// How a query looks at the rows of a scan.
struct Reading {
  int scans = 0;
  bool may_stop = false;  // before their end
  bool plain = true;      // nothing but row-wise nodes: morsels keep their numbers
};

void look_at(const plan::Plan& p, const plan::TableSource* source, Reading& reading) {
  reading.scans += p.source.get() == source;
  reading.may_stop |= p.kind == plan::PlanKind::kLimit || p.scan_limit.has_value();
  reading.plain &= p.kind == plan::PlanKind::kScan || p.kind == plan::PlanKind::kFilter || p.kind == plan::PlanKind::kProject;
  for (const auto& input : p.inputs) look_at(*input, source, reading);
}

class JobRun {
 public:
  JobRun(const Job& job, const RunOptions& options, JobReport& report) : job_(job), options_(options), report_(report) {}

  arrow::Status run() {
    const auto began = std::chrono::steady_clock::now();
    arrow::Status status = all();
    for (auto& chain : opened_) chain->close();
    if (!status.ok()) {
      for (auto& s : sinks_) status = s->explain(status);
      if (dead_letters_) dead_letters_->abandon();
    }
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    tell(status);
    return status;
  }

 private:
  arrow::Status all() {
    ARROW_RETURN_NOT_OK(make_parts());
    ARROW_RETURN_NOT_OK(check_steps(job_, *source_, table_->schema(), nullptr));
    ARROW_RETURN_NOT_OK(lay_out());
    ARROW_RETURN_NOT_OK(open_dead_letters());
    ARROW_RETURN_NOT_OK(run_steps());
    ARROW_RETURN_NOT_OK(run_sinks());
    return dead_letters_ ? dead_letters_->move_in() : arrow::Status::OK();
  }

  arrow::Status make_parts() {
    state_ = std::make_shared<RunState>();
    state_->job = job_.file;
    state_->policy = job_.errors.policy;
    state_->most_bad = job_.errors.at_most;
    state_->status = options_.status;
    state_->stop = options_.stop;
    state_->retell = options_.retell;
    ARROW_ASSIGN_OR_RAISE(source_, job_.source());
    state_->source_name = source_->name();
    ARROW_ASSIGN_OR_RAISE(steps_, make_steps(job_));
    for (const SinkEntry& entry : job_.sinks) {
      ARROW_ASSIGN_OR_RAISE(auto sink, entry.make());
      if (options_.add_to_existing) ARROW_RETURN_NOT_OK(sink->add_to_existing());
      sinks_.push_back(std::move(sink));
    }
    for (size_t i = 0; i < 1 + steps_.size() + sinks_.size(); ++i) counts_.push_back(std::make_shared<NamedCounts>());
    for (size_t i = 0; i < sinks_.size(); ++i) written_.push_back(std::make_shared<io::TransferMeter>());
    SourceContext context;
    context.cancel = QueryRunner::token_of(options_.cancel);
    context.status = options_.status;
    context.counts = counts_[0];
    context.leave_out_bad_records = job_.errors.policy != Policy::kFail;
    const io::TransferScope counting(state_->read);
    ARROW_ASSIGN_OR_RAISE(table_, source_->open(context));
    state_->read->take();  // headers and samples come again with the rows
    return arrow::Status::OK();
  }

  arrow::Status lay_out() {
    std::vector<StepTotals> totals{{source_->name(), StepKind::kSource, {}, {}}};
    for (const Step& s : steps_) totals.push_back({name_of(s), StepKind::kTransform, {}, {}});
    for (size_t i = 0; i < sinks_.size(); ++i) {
      const std::string& given = job_.sinks[i].name;
      totals.push_back({given.empty() ? sinks_[i]->name() : given, StepKind::kSink, {}, {}});
    }
    parallel_.num_workers = static_cast<int>(job_.parallel.workers);
    parallel_.batch_rows = job_.parallel.batch_rows;
    parallel_.memory_limit = job_.parallel.memory;
    parallel_.pin_workers = job_.parallel.affinity;
    parallel_.ordered = job_.parallel.ordered;
    report_.workers = sched::resolve_workers(parallel_.num_workers);
    if (JobStatus* status = options_.status) {
      JobShape shape{job_.name, {}, {}};
      for (const StepTotals& t : totals) shape.steps.push_back({t.name, t.kind});
      const auto& topology = base::Topology::system();
      const auto groups = static_cast<int>(job_.parallel.groups);
      for (int w = 0; w < report_.workers; ++w)
        shape.group_of_worker.push_back(groups > 0 ? w * std::min(groups, report_.workers) / report_.workers : topology.numa_node_of(w));
      status->lay_out(std::move(shape));
      const plan::TableEstimate known = table_->estimate();
      if (known.rows && known.exact_rows) status->set_total_rows(*known.rows);
      if (known.bytes) status->set_total_bytes(*known.bytes);
      status->set_phase(JobPhase::kRunning);
    }
    state_->accounting.lay_out(std::move(totals));
    laid_out_ = true;
    return arrow::Status::OK();
  }

  arrow::Status open_dead_letters() {
    if (job_.errors.policy != Policy::kDeadLetter) return arrow::Status::OK();
    std::vector<std::string> folders;
    for (const auto& s : sinks_) {
      if (const std::string folder = s->folder(); !folder.empty()) folders.push_back(folder);
    }
    std::error_code ignored;  // who opens the file says what is wrong
    const fs::path parent = fs::path(job_.errors.path).parent_path();
    const bool inside = std::any_of(folders.begin(), folders.end(), [&](const std::string& f) { return lies_in(job_.errors.path, f); });
    if (!parent.empty() && !inside) fs::create_directories(parent, ignored);
    ARROW_ASSIGN_OR_RAISE(dead_letters_, DeadLetters::open(job_.errors.path, folders));
    state_->dead_letters = dead_letters_.get();
    report_.dead_letters = job_.errors.path;
    return arrow::Status::OK();
  }

  // Binds every step; what is left to do then is to run `rows_` through `tail_` into the sinks.
  arrow::Status run_steps() {
    size_t at = 0;
    std::vector<std::unique_ptr<Transform>> leading;
    for (; at < steps_.size() && std::holds_alternative<std::unique_ptr<Transform>>(steps_[at]); ++at)
      leading.push_back(std::get<std::unique_ptr<Transform>>(std::move(steps_[at])));
    ARROW_ASSIGN_OR_RAISE(state_->chain, Chain::bind(std::move(leading), table_->schema(), job_.errors.policy));
    if (job_.parallel.batch_rows == 0 && state_->chain.takes_any_batches()) state_->tuner = std::make_unique<BatchTuner>();
    job_source_ = make_job_source(table_, state_);
    rows_ = Frame(plan::make_scan(job_source_));
    for (; at < steps_.size(); ++at) {
      if (auto* step = std::get_if<std::unique_ptr<FrameStep>>(&steps_[at])) {
        ARROW_RETURN_NOT_OK(apply(**step, at + 1));
        continue;
      }
      std::vector<std::unique_ptr<Transform>> more;
      tail_begin_ = at + 1;
      for (; at < steps_.size() && std::holds_alternative<std::unique_ptr<Transform>>(steps_[at]); ++at)
        more.push_back(std::get<std::unique_ptr<Transform>>(std::move(steps_[at])));
      --at;
      ARROW_ASSIGN_OR_RAISE(const auto schema, rows_->schema());
      ARROW_ASSIGN_OR_RAISE(Chain chain, Chain::bind(std::move(more), schema, Policy::kFail));
      tail_ = std::make_shared<Chain>(std::move(chain));
    }
    return arrow::Status::OK();
  }

  arrow::Status apply(FrameStep& step, size_t number) {
    if (tail_ || last_frame_step_ != 0) ARROW_RETURN_NOT_OK(hold_rows());
    ARROW_ASSIGN_OR_RAISE(Frame next, step.apply(*rows_));
    Reading reading;
    look_at(**next.plan(), (*rows_->plan())->source.get(), reading);
    if (reading.scans == 0)
      return base::plan_error("step \"" + step.name() + "\" does not read the rows that come to it", "they are the table input");
    if (reading.may_stop || reading.scans > 1) {
      ARROW_RETURN_NOT_OK(hold_rows());
      ARROW_ASSIGN_OR_RAISE(next, step.apply(*rows_));
    }
    rows_ = std::move(next);
    last_frame_step_ = number;
    return arrow::Status::OK();
  }

  // Runs what there is so far; from here on it is a table.
  arrow::Status hold_rows() {
    ARROW_ASSIGN_OR_RAISE(auto schema, rows_->schema());
    if (tail_) schema = tail_->output();
    const int64_t most = job_.parallel.memory > 0 ? std::min(kHeldBytes, job_.parallel.memory / 8) : kHeldBytes;
    const auto held = frame::make_held_sink(schema, most);
    ARROW_RETURN_NOT_OK(run_into(*rows_, {{held, kNotCounted}}, false));
    ARROW_RETURN_NOT_OK(held->finalize());
    rows_ = Frame(plan::make_scan(held->source()));
    tail_.reset();
    last_frame_step_ = 0;
    return arrow::Status::OK();
  }

  size_t sink_step(size_t i) const { return 1 + steps_.size() + i; }

  arrow::Status run_sinks() {
    ARROW_ASSIGN_OR_RAISE(auto schema, rows_->schema());
    if (tail_) schema = tail_->output();
    const bool routed = schema->fields().back()->name() == kRouteColumn;
    // Whether the sinks take the rows as they come.
    ARROW_ASSIGN_OR_RAISE(const Frame probe, empty_frame(without_route(schema)));
    bool as_they_come = true;
    for (auto& s : sinks_) {
      ARROW_ASSIGN_OR_RAISE(const Frame prepared, s->prepare(probe));
      ARROW_RETURN_NOT_OK(prepared.plan().status());
      as_they_come &= *prepared.plan() == *probe.plan();
    }
    if (as_they_come) return run_into(*rows_, {}, true);
    if (!routed && !tail_) {
      ARROW_ASSIGN_OR_RAISE(const Frame prepared, sinks_[0]->prepare(*rows_));
      return run_into(prepared, {}, true);
    }
    ARROW_RETURN_NOT_OK(hold_rows());
    return run_one_by_one(routed);
  }

  // Each sink has its rows prepared apart; none is visible before all are done.
  arrow::Status run_one_by_one(bool routed) {
    std::vector<std::shared_ptr<exec::OrderedSink>> done;
    arrow::Status status;
    for (size_t i = 0; i < sinks_.size() && status.ok(); ++i) {
      const Frame mine = routed ? rows_->filter(col(kRouteColumn) == lit(static_cast<int64_t>(i))).drop({kRouteColumn}) : *rows_;
      auto prepared = sinks_[i]->prepare(mine);
      status = prepared.ok() ? run_into(*prepared, {{nullptr, sink_step(i)}}, false, &done) : prepared.status();
    }
    if (status.ok()) status = before_visible();
    for (size_t i = 0; i < done.size(); ++i) {
      const io::TransferScope counting(written_[i]);
      if (status.ok()) status = done[i]->finalize();
      if (!status.ok()) done[i]->abandon();
    }
    return status;
  }

  // Runs the frame, its rows through the tail, into `parts` (none given: all sinks). A part without a sink is that step's.
  arrow::Status run_into(const Frame& frame, std::vector<SinkPart> parts, bool finishes,
                         std::vector<std::shared_ptr<exec::OrderedSink>>* opened = nullptr) {
    ARROW_RETURN_NOT_OK(frame.plan().status());
    ARROW_ASSIGN_OR_RAISE(QueryRunner runner, QueryRunner::make(*frame.plan(), parallel_, options_.cancel));
    state_->context.memory = runner.memory();
    state_->context.cancel = runner.cancel();
    state_->context.workers = runner.workers();
    state_->context.status = options_.status;
    ARROW_RETURN_NOT_OK(open_chains());
    ARROW_ASSIGN_OR_RAISE(auto schema, frame.schema());
    if (tail_) schema = tail_->output();
    if (parts.empty()) {
      for (size_t i = 0; i < sinks_.size(); ++i) parts.push_back({nullptr, sink_step(i)});
    }
    for (SinkPart& part : parts) {
      if (part.sink == nullptr) {
        part.written = written_[part.step - sink_step(0)];
        const io::TransferScope counting(part.written);
        ARROW_ASSIGN_OR_RAISE(part.sink, open_sink(part.step, without_route(schema), runner));
        if (opened != nullptr) opened->push_back(part.sink);
      }
    }
    Reading reading;
    look_at(**frame.plan(), job_source_.get(), reading);
    state_->flow = reading.plain && reading.scans == 1 ? std::make_shared<Flow>(job_.parallel.queue_batches) : nullptr;
    IntoSinkSpec spec{state_, tail_, tail_begin_, std::move(parts), finishes, [this] { return before_visible(); }};
    const auto into = make_into_sink(std::move(spec));
    into_ = into;
    const auto probes = watch(runner);
    const arrow::Status status = runner.run(into);
    if (last_frame_step_ != 0) left_frame_step_.emplace_back(last_frame_step_, into->rows_in());
    note(runner, status.ok());
    return status;
  }

  arrow::Status open_chains() {
    if (!first_opened_) {
      first_opened_ = true;
      opened_.push_back(&state_->chain);
      ARROW_RETURN_NOT_OK(state_->chain.open(state_->context, counts_from(1, state_->chain.size())));
    }
    if (tail_) {
      kept_.push_back(tail_);
      opened_.push_back(tail_.get());
      ARROW_RETURN_NOT_OK(tail_->open(state_->context, counts_from(tail_begin_, tail_->size())));
    }
    return arrow::Status::OK();
  }

  std::vector<std::shared_ptr<NamedCounts>> counts_from(size_t first, size_t n) const {
    return {counts_.begin() + static_cast<int64_t>(first), counts_.begin() + static_cast<int64_t>(first + n)};
  }

  arrow::Result<std::shared_ptr<exec::OrderedSink>> open_sink(size_t step, const std::shared_ptr<arrow::Schema>& schema,
                                                              const QueryRunner& runner) {
    Sink& sink = *sinks_[step - sink_step(0)];
    SinkContext context;
    context.memory = runner.memory();
    context.cancel = runner.cancel();
    context.keep_waiting = runner.keep_waiting();
    context.status = options_.status;
    context.counts = counts_[step];
    context.workers = runner.workers();
    std::shared_ptr<RecordText> records;
    if (dead_letters_ != nullptr) {
      ARROW_ASSIGN_OR_RAISE(auto made, RecordText::make(schema, runner.memory()->pool()));
      records = std::move(made);
    }
    context.reject = [this, step, records, name = sink.name()](const column::Batch& rows, const arrow::Status& why) {
      return reject(step, name, records.get(), rows, why);
    };
    return sink.open(schema, context);
  }

  // Rows that a sink refuses.
  arrow::Status reject(size_t step, const std::string& sink, const RecordText* records, const column::Batch& rows,
                       const arrow::Status& why) {
    if (job_.errors.policy == Policy::kFail) return why;
    const int64_t n = rows.selected();
    StepCounts counts;
    (job_.errors.policy == Policy::kSkip ? counts.skipped : counts.rejected) = n;
    counts.rows_out = -n;  // it was counted when the sink took it
    state_->accounting.add(step, counts);
    if (options_.status != nullptr) {
      options_.status->step(step).add(counts);
      options_.status->add_errors(sink, n);
    }
    state_->bad_rows += n;
    if (records == nullptr) return arrow::Status::OK();
    std::vector<int64_t> selected;
    for (const uint16_t i : rows.selection.indices(rows.rows)) selected.push_back(i);
    ARROW_ASSIGN_OR_RAISE(auto texts, records->of(rows, selected));
    std::string lines;
    for (std::string& text : texts) {
      Rejection told;
      told.record = std::move(text);
      told.at = "sink " + sink;
      told.step = sink;
      told.error = why;
      append_rejection(told, state_->job, lines);
    }
    return dead_letters_->append_later(lines);
  }

  std::vector<JobStatus::Probe> watch(const QueryRunner& runner) {
    std::vector<JobStatus::Probe> out;
    if (options_.status == nullptr) return out;
    out.push_back(options_.status->add_probe([memory = runner.memory(), flow = state_->flow, workers = runner.workers()](Gauges& g) {
      g.memory_used += memory->used();
      g.memory_peak = std::max(g.memory_peak, memory->peak());
      if (memory->limited()) g.memory_limit += memory->cap();
      if (flow == nullptr) return;
      g.ring_slots_used += flow->in_flight();
      g.ring_slots_total += flow->most() > 0 ? flow->most() : int64_t{4} * workers;
    }));
    return out;
  }

  void note(const QueryRunner& runner, bool done) {
    report_.peak_bytes = std::max(report_.peak_bytes, runner.memory()->peak());
    report_.spilled_bytes += runner.memory()->spilled_bytes();
    if (!done) return;
    const std::vector<int64_t>& steals = runner.report().steals;
    for (size_t i = 0; i < steals.size(); ++i) {
      report_.steals += steals[i];
      if (options_.status != nullptr && i < static_cast<size_t>(report_.workers)) options_.status->worker(i).add_steals(steals[i]);
    }
  }

  // Steps over all rows are counted by their neighbours.
  void book_frame_steps() {
    if (last_frame_step_ != 0 && into_ != nullptr) left_frame_step_.emplace_back(last_frame_step_, into_->rows_in());
    for (const auto& [step, rows] : left_frame_step_) {
      const int64_t came = state_->accounting.steps()[step - 1].counts.rows_out;
      StepCounts counts;
      counts.rows_in = came;
      counts.rows_out = rows;
      const bool chooses = std::get<std::unique_ptr<FrameStep>>(steps_[step - 1])->chooses();
      (chooses ? counts.filtered : counts.merged) = std::max<int64_t>(came - rows, 0);
      counts.generated = std::max<int64_t>(rows - came, 0);
      state_->accounting.add(step, counts);
      if (options_.status != nullptr) options_.status->step(step).add(counts);
    }
    left_frame_step_.clear();
    last_frame_step_ = 0;
  }

  arrow::Status before_visible() {
    for (size_t i = 0; i < sinks_.size(); ++i) {
      const io::TransferScope counting(written_[i]);
      ARROW_RETURN_NOT_OK(sinks_[i]->complete());
    }
    book_frame_steps();
    ARROW_RETURN_NOT_OK(state_->accounting.balance());
    if (job_.errors.at_most && state_->bad_rows > *job_.errors.at_most)
      return base::data_error("more rows are bad than on_error allows: at_most is " + std::to_string(*job_.errors.at_most));
    return dead_letters_ ? dead_letters_->finish() : arrow::Status::OK();
  }

  // What was read and written since the last batch.
  void book_bytes() {
    book_bytes_of(0, *state_->read);
    for (size_t i = 0; i < written_.size(); ++i) book_bytes_of(sink_step(i), *written_[i]);
  }
  void book_bytes_of(size_t step, io::TransferMeter& meter) {
    StepCounts counts;
    counts.bytes = meter.take();
    if (counts.bytes == 0 || !laid_out_) return;
    state_->accounting.add(step, counts);
    if (options_.status != nullptr) options_.status->step(step).add(counts);
  }

  void tell(const arrow::Status& status) {
    book_bytes();
    report_.name = job_.name;
    if (state_->weighed_rows > 0)
      report_.record_bytes = static_cast<double>(state_->weighed_bytes) / static_cast<double>(state_->weighed_rows);
    if (state_->tuner != nullptr) report_.batch_rows = state_->tuner->rows();
    report_.steps = state_->accounting.steps();
    for (size_t i = 0; i < report_.steps.size(); ++i) report_.steps[i].more = counts_[i]->all();
    for (const auto& s : sinks_) report_.outputs.push_back(s->name());
    report_.outcome = !status.ok() ? "failed" : state_->stopped_early ? "stopped" : "done";
    if (!status.ok()) report_.error = base::describe_error(status);
    if (options_.status != nullptr) options_.status->set_phase(status.ok() ? JobPhase::kDone : JobPhase::kFailed, report_.error);
  }

  const Job& job_;
  const RunOptions& options_;
  JobReport& report_;
  std::shared_ptr<RunState> state_;
  std::unique_ptr<Source> source_;
  plan::TableSourcePtr table_, job_source_;
  std::vector<Step> steps_;
  std::vector<std::unique_ptr<Sink>> sinks_;
  std::vector<std::shared_ptr<NamedCounts>> counts_;  // of the source, each step, each sink
  std::vector<io::TransferMeterPtr> written_;         // by each sink
  bool laid_out_ = false;
  std::unique_ptr<DeadLetters> dead_letters_;
  ParallelOptions parallel_;

  std::optional<Frame> rows_;
  std::shared_ptr<Chain> tail_;
  size_t tail_begin_ = 0;       // its first step in the accounting
  size_t last_frame_step_ = 0;  // whose rows nobody has counted yet; 0: none
  std::vector<std::pair<size_t, int64_t>> left_frame_step_;
  std::shared_ptr<IntoSink> into_;
  bool first_opened_ = false;
  std::vector<Chain*> opened_;
  std::vector<std::shared_ptr<Chain>> kept_;
};

}  // namespace

arrow::Status run_job(const Job& job, const RunOptions& options, JobReport& report) {
  if (job.endless) {
    ARROW_ASSIGN_OR_RAISE(auto source, job.source());
    return run_stream_job(job, std::move(source), options, report);
  }
  return JobRun(job, options, report).run();
}

arrow::Result<CheckedJob> check_job(const Job& job) {
  CheckedJob out;
  ARROW_ASSIGN_OR_RAISE(const auto source, job.source());
  ARROW_ASSIGN_OR_RAISE(const auto table, source->open({}));
  if (job.endless) {
    ARROW_RETURN_NOT_OK(check_stream_steps(job, *source, table, out));
    return out;
  }
  ARROW_RETURN_NOT_OK(check_steps(job, *source, table->schema(), &out));
  return out;
}

}  // namespace gristmill::job
