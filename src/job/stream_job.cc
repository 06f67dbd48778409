#include "job/stream_job.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

#include <arrow/type.h>

#include "base/status.h"
#include "base/topology.h"
#include "frame/query_runner.h"
#include "job/job_epochs.h"
#include "job/job_stage.h"
#include "job/job_steps.h"
#include "job/steps/event_time.h"
#include "job/steps/route.h"
#include "plan/logical.h"
#include "stream/run.h"

namespace gristmill::job {
namespace {

// What stands in the accounting, in order.
struct Laid {
  std::string name;
  StepKind kind;
};

class StreamJob {
 public:
  StreamJob(const Job& job, std::unique_ptr<Source> source, const RunOptions& options, JobReport& report)
      : job_(job), options_(options), report_(report), source_(std::move(source)) {}

  arrow::Status run() {
    const auto began = std::chrono::steady_clock::now();
    arrow::Status status = all();
    for (auto it = stages_.rbegin(); it != stages_.rend(); ++it) (*it)->chain->close();
    if (letters_ != nullptr && status.ok()) status = finish_letters();
    if (status.ok()) status = settle();
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    tell(status);
    return status;
  }

  // The stream behind all steps; `checked` gets columns and types.
  arrow::Result<Stream> make_stream(const plan::TableSourcePtr& table, CheckedJob* checked) {
    if (checked != nullptr) checked->steps.emplace_back(source_name_, table->schema());
    Stream rows = settled(Stream(Frame(plan::make_scan(table))));
    ARROW_ASSIGN_OR_RAISE(std::vector<Step> steps, make_steps(job_));
    laid_ = {{source_name_, StepKind::kSource}};
    bool first = true;
    for (size_t at = 0; at < steps.size() || first;) {
      std::vector<std::unique_ptr<Transform>> some;
      for (; at < steps.size() && std::holds_alternative<std::unique_ptr<Transform>>(steps[at]); ++at)
        some.push_back(std::get<std::unique_ptr<Transform>>(std::move(steps[at])));
      if (first && job_.watermark) some.push_back(make_event_time_step(job_.watermark->column));
      if (first || !some.empty()) {
        ARROW_ASSIGN_OR_RAISE(rows, through(std::move(rows), std::move(some), first, checked));
      }
      first = false;
      if (at == steps.size()) break;
      const auto& step = std::get<std::unique_ptr<FrameStep>>(steps[at++]);
      frame_steps_.push_back({laid_.size(), stages_.size(), step->chooses()});
      laid_.push_back({step->name(), StepKind::kTransform});
      ARROW_ASSIGN_OR_RAISE(rows, step->apply_to_stream(rows));
      ARROW_ASSIGN_OR_RAISE(const auto schema, rows.schema());
      if (checked != nullptr) checked->steps.emplace_back(step->name(), schema);
    }
    return rows;
  }

  void set_source_name(std::string name) { source_name_ = std::move(name); }

 private:
  struct FrameStepPlace {
    size_t step = 0;        // in the accounting
    size_t next_stage = 0;  // whose rows come from it; the sinks where there is none
    bool chooses = false;
  };

  Stream settled(const Stream& stream) const {
    StreamParallel parallel;
    parallel.num_workers = static_cast<int>(job_.parallel.workers);
    parallel.ordered = job_.parallel.ordered;
    Stream out = stream.parallel(parallel).memory_limit(job_.parallel.memory).named(job_.name);
    return job_.checkpoint ? out.checkpoint({job_.checkpoint->path, job_.checkpoint->interval_seconds}) : out;
  }

  arrow::Result<Stream> through(Stream rows, std::vector<std::unique_ptr<Transform>> steps, bool first, CheckedJob* checked) {
    auto state = std::make_shared<JobStageState>();
    state->run = state_;
    state->first_step = laid_.size();
    state->of_source = first;
    for (const auto& s : steps) {
      laid_.push_back({s->name(), StepKind::kTransform});
      state->counts.push_back(std::make_shared<NamedCounts>());
    }
    ARROW_ASSIGN_OR_RAISE(const auto schema, rows.schema());
    ARROW_ASSIGN_OR_RAISE(Chain chain, Chain::bind(std::move(steps), schema, first ? job_.errors.policy : Policy::kFail));
    state->chain = std::make_shared<Chain>(std::move(chain));
    if (checked != nullptr) {
      const size_t n = laid_.size() - state->first_step;
      for (size_t i = 0; i < n; ++i)
        checked->steps.emplace_back(laid_[state->first_step + i].name, without_route(state->chain->schema_behind(i)));
    }
    if (first) {
      state->letters = letters_;
      state->source_file = source_file_;
      if (job_.watermark) state->time = stream::EventTime{job_.watermark->column, job_.watermark->delay, job_.watermark->idle_after, false};
    } else if (const auto& time = (*rows.state())->event_time) {  // that of windows, as long as its column goes through
      const auto before = schema->GetFieldByName(time->time), after = state->chain->output()->GetFieldByName(time->time);
      if (before && after && before->type()->Equals(after->type())) state->time = stream::EventTime{time->time, "", "", true};
    }
    stages_.push_back(state);
    return through_job_stage(rows, state);
  }

  arrow::Status all() {
    state_ = std::make_shared<RunState>();
    state_->job = job_.file;
    state_->policy = job_.errors.policy;
    state_->most_bad = job_.errors.at_most;
    state_->status = options_.status;
    source_name_ = state_->source_name = source_->name();
    source_file_ = source_name_ + ", partition ";
    if (job_.errors.policy == Policy::kDeadLetter) {
      ARROW_ASSIGN_OR_RAISE(letters_, LettersLog::open(job_.errors.path));
      report_.dead_letters = job_.errors.path;
    }
    ARROW_ASSIGN_OR_RAISE(const plan::TableSourcePtr table, open_source());
    ARROW_ASSIGN_OR_RAISE(const Stream rows, make_stream(table, nullptr));
    ARROW_ASSIGN_OR_RAISE(const auto schema, rows.schema());
    const bool routed = schema->num_fields() > 0 && schema->fields().back()->name() == kRouteColumn;
    std::vector<EpochPart> parts;
    for (size_t i = 0; i < job_.sinks.size(); ++i) {
      ARROW_ASSIGN_OR_RAISE(auto sink, job_.sinks[i].make());
      ARROW_ASSIGN_OR_RAISE(auto epochs, sink->open_epochs());
      parts.push_back({std::move(epochs), laid_.size()});
      const std::string& given = job_.sinks[i].name;
      laid_.push_back({given.empty() ? sink->name() : given, StepKind::kSink});
      report_.outputs.push_back(sink->name());
      sinks_.push_back(std::move(sink));
    }
    lay_out();
    ARROW_ASSIGN_OR_RAISE(auto epochs, job_epochs(state_, std::move(parts), routed));
    return drive(rows, std::move(epochs));
  }

  arrow::Result<plan::TableSourcePtr> open_source() {
    SourceContext context;
    context.cancel = QueryRunner::token_of(options_.cancel);
    context.status = options_.status;
    context.counts = std::make_shared<NamedCounts>();
    context.leave_out_bad_records = job_.errors.policy != Policy::kFail;
    context.tell_bad = [this](int32_t partition, int64_t offset, const std::string& text, const arrow::Status& error) {
      return hear(partition, offset, text, error);
    };
    return source_->open(context);
  }

  // A message that could not be read.
  arrow::Status hear(int32_t partition, int64_t offset, const std::string& text, const arrow::Status& error) {
    StepCounts counts;
    counts.rows_in = 1;
    (letters_ != nullptr ? counts.rejected : counts.skipped) = 1;
    state_->accounting.add(0, counts);
    if (options_.status != nullptr) {
      options_.status->step(0).add(counts);
      options_.status->add_errors(source_name_, 1);
      options_.status->progressed();
    }
    const int64_t all = ++state_->bad_rows;
    if (state_->most_bad && all > *state_->most_bad)
      return base::data_error("more rows are bad than on_error allows: at_most is " + std::to_string(*state_->most_bad));
    if (letters_ == nullptr) return arrow::Status::OK();
    Rejection told;
    told.text = text;
    told.step = source_name_;
    told.error = error;
    told.file = source_file_ + std::to_string(partition);
    told.row = offset;
    LettersLog::Line line{offset, {}};
    append_rejection(told, state_->job, line.text);
    return letters_->tell(partition, std::move(line));
  }

  void lay_out() {
    std::vector<StepTotals> totals;
    for (const Laid& l : laid_) totals.push_back({l.name, l.kind, {}, {}});
    report_.workers = sched::resolve_workers(static_cast<int>(job_.parallel.workers));
    if (JobStatus* status = options_.status) {
      JobShape shape{job_.name, {}, {}};
      for (const Laid& l : laid_) shape.steps.push_back({l.name, l.kind});
      const auto& topology = base::Topology::system();
      const auto groups = static_cast<int>(job_.parallel.groups);
      for (int w = 0; w < report_.workers; ++w)
        shape.group_of_worker.push_back(groups > 0 ? w * std::min(groups, report_.workers) / report_.workers : topology.numa_node_of(w));
      status->lay_out(std::move(shape));
      status->set_stalled_after(job_.stalled_after_seconds);
    }
    state_->accounting.lay_out(std::move(totals));
  }

  arrow::Status drive(const Stream& rows, stream::EpochSinkPtr epochs) {
    ARROW_ASSIGN_OR_RAISE(const stream::StatePtr state, rows.state());
    ARROW_ASSIGN_OR_RAISE(run_, stream::StreamRun::make(state, {nullptr, std::move(epochs), nullptr}, options_.cancel));
    std::vector<JobStatus::Probe> probes;
    if (options_.status != nullptr) {
      probes.push_back(options_.status->add_probe([run = run_, memory = run_->memory(), first = stages_.front(), job = &job_](Gauges& g) {
        g.memory_used += memory->used();
        g.memory_peak = std::max(g.memory_peak, memory->peak());
        if (memory->limited()) g.memory_limit += memory->cap();
        const stream::StreamRun::Progress now = run->progress();
        StreamGauges& s = g.stream;
        s.on = true;
        s.started = now.started;
        s.lag += now.lag;
        s.late_rows += now.late_rows;
        s.state_bytes += now.state_bytes;
        s.checkpoints = job->checkpoint.has_value();
        s.pending = now.pending;
        s.epoch = now.epoch;
        s.checkpoint_bytes = now.checkpoint_bytes;
        s.checkpoint_age = static_cast<double>(now.age_micros) / 1e6;
        s.interval = job->checkpoint ? job->checkpoint->interval_seconds : 10;
        s.watermark = first->watermark;
        s.moments = first->moments;
      }));
      options_.status->set_phase(JobPhase::kRunning);
    }
    const uint64_t stop = options_.stop.subscribe([run = run_] { run->stop(); });
    const arrow::Status done = run_->run();
    options_.stop.unsubscribe(stop);
    probes.clear();
    report_.peak_bytes = run_->memory()->peak();
    report_.spilled_bytes = run_->memory()->spilled_bytes();
    return done;
  }

  arrow::Status finish_letters() {
    ARROW_RETURN_NOT_OK(letters_->append_all_told());
    return letters_->flush().status();
  }

  // Steps over all rows are counted by their neighbours; then everything must balance.
  arrow::Status settle() {
    for (const FrameStepPlace& f : frame_steps_) {
      const std::vector<StepTotals> now = state_->accounting.steps();
      const int64_t came = now[f.step - 1].counts.rows_out;
      int64_t left = 0;
      if (f.next_stage < stages_.size()) {
        left = stages_[f.next_stage]->rows_in;
      } else {
        for (const StepTotals& t : now) left += t.kind == StepKind::kSink ? t.counts.rows_in : 0;
      }
      StepCounts counts;
      counts.rows_in = came;
      counts.rows_out = left;
      (f.chooses ? counts.filtered : counts.merged) = std::max<int64_t>(came - left, 0);
      counts.generated = std::max<int64_t>(left - came, 0);
      state_->accounting.add(f.step, counts);
      if (options_.status != nullptr) options_.status->step(f.step).add(counts);
    }
    return state_->accounting.balance();
  }

  void tell(const arrow::Status& status) {
    report_.name = job_.name;
    report_.steps = state_->accounting.steps();
    for (const auto& stage : stages_) {
      for (size_t i = 0; i < stage->counts.size() && stage->first_step + i < report_.steps.size(); ++i)
        report_.steps[stage->first_step + i].more = stage->counts[i]->all();
    }
    report_.outcome = !status.ok() ? "failed" : options_.stop.cancelled() ? "stopped" : "done";
    if (!status.ok()) report_.error = base::describe_error(status);
    if (options_.status != nullptr) options_.status->set_phase(status.ok() ? JobPhase::kDone : JobPhase::kFailed, report_.error);
  }

  const Job& job_;
  const RunOptions& options_;
  JobReport& report_;
  const std::unique_ptr<Source> source_;
  std::string source_name_, source_file_;
  std::shared_ptr<RunState> state_ = std::make_shared<RunState>();
  std::shared_ptr<LettersLog> letters_;
  std::vector<Laid> laid_;
  std::vector<std::shared_ptr<JobStageState>> stages_;
  std::vector<FrameStepPlace> frame_steps_;
  std::vector<std::unique_ptr<Sink>> sinks_;
  std::shared_ptr<stream::StreamRun> run_;
};

}  // namespace

arrow::Status run_stream_job(const Job& job, std::unique_ptr<Source> source, const RunOptions& options, JobReport& report) {
  return StreamJob(job, std::move(source), options, report).run();
}

arrow::Status check_stream_steps(const Job& job, const Source& source, const plan::TableSourcePtr& table, CheckedJob& out) {
  JobReport unused;
  const RunOptions none;
  StreamJob one(job, nullptr, none, unused);
  one.set_source_name(source.name());
  ARROW_RETURN_NOT_OK(one.make_stream(table, &out).status());
  for (const SinkEntry& entry : job.sinks) {
    ARROW_ASSIGN_OR_RAISE(const auto sink, entry.make());
    ARROW_RETURN_NOT_OK(sink->open_epochs().status());
  }
  return arrow::Status::OK();
}

}  // namespace gristmill::job
