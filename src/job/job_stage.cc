#include "job/job_stage.h"

#include <algorithm>
#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "exec/steady_clock.h"
#include "stream/marked_rows.h"
#include "stream/snapshot.h"
#include "stream/watermark.h"

namespace gristmill::job {
namespace {

constexpr const char* kKind = "job steps";
constexpr const char* kLettersSize = "rejected bytes";
constexpr const char* kMark = "watermark";

// A batch that left the chain.
struct Left {
  column::Batch batch;
  std::vector<uint16_t> rows;
  std::vector<int64_t> times;
};

struct StagePiece final : stream::Piece {
  int64_t bytes() const override { return bytes_; }
  std::vector<Left> left;
  std::vector<StepCounts> counts;
  std::vector<LettersLog::Line> lines;
  int64_t rows = 0;   // that came
  int64_t last = -1;  // offset of the last of them
  int64_t bad = 0;
  int64_t bytes_ = 0;
};

struct StageLocal final : exec::LocalState {
  StageLocal(std::unique_ptr<ChainLocal> c, arrow::MemoryPool* pool, size_t w) : chain(std::move(c)), evaluator(pool), worker(w) {}
  std::unique_ptr<ChainLocal> chain;
  expr::Evaluator evaluator;
  const size_t worker;
};

int64_t unix_micros_of(int64_t ticks, const arrow::DataType& type) {
  if (type.id() != arrow::Type::TIMESTAMP) return ticks;
  switch (static_cast<const arrow::TimestampType&>(type).unit()) {
    case arrow::TimeUnit::SECOND: return ticks * 1'000'000;
    case arrow::TimeUnit::MILLI: return ticks * 1000;
    case arrow::TimeUnit::NANO: return ticks / 1000;
    default: return ticks;
  }
}

class JobStage final : public stream::StatefulOperator {
 public:
  JobStage(std::shared_ptr<JobStageState> state, std::optional<stream::BoundWatermark> time)
      : state_(std::move(state)), time_(std::move(time)) {}

  std::string name() const override { return "steps"; }
  std::shared_ptr<arrow::Schema> output_schema() const override { return state_->chain->output(); }
  bool is_stateful() const override { return false; }

  arrow::Status open(const stream::OperatorContext& context) override {
    const int32_t partitions = context.partitions.empty() ? 1 : context.partitions[0];
    mark_ = stream::Watermark(partitions, time_ ? time_->delay : 0, time_ && time_->inherited);
    idle_ = stream::IdleClock(context.replay || !time_ ? 0 : time_->idle_micros);
    StepContext& steps = state_->run->context;
    steps.memory = context.query->memory;
    steps.cancel = context.query->cancel;
    steps.workers = context.query->workers;
    steps.status = state_->run->status;
    return state_->chain->open(steps, state_->counts);
  }

  arrow::Result<std::unique_ptr<exec::LocalState>> make_local(const exec::QueryContext& context) const override {
    ARROW_ASSIGN_OR_RAISE(auto chain, state_->chain->make_local(state_->run->context));
    const auto worker = static_cast<size_t>(locals_++) % static_cast<size_t>(std::max(1, context.workers));
    return std::make_unique<StageLocal>(std::move(chain), context.pool(), worker);
  }

  arrow::Result<std::unique_ptr<stream::Piece>> prepare(column::Batch batch, const stream::MorselPart& part,
                                                        exec::LocalState& raw) const override {
    auto& local = raw.as<StageLocal>();
    const int64_t began = exec::now_ns();
    auto piece = std::make_unique<StagePiece>();
    piece->rows = batch.selected();
    if (piece->rows > 0) piece->last = batch.origin.row_of(batch.selection.indices(batch.rows).back());
    ARROW_RETURN_NOT_OK(state_->chain->push(std::move(batch), *local.chain, [&](column::Batch made) -> arrow::Status {
      Left left{std::move(made), {}, {}};
      if (time_) {
        stream::selected_rows(left.batch, &left.rows);
        const arrow::Status status = stream::times_of(*time_->time, left.batch, left.rows, local.evaluator, &left.times);
        if (!status.ok()) return behind_steps(status);
      }
      piece->bytes_ += column::retained_bytes(left.batch) + std::ssize(left.times) * 10;
      piece->left.push_back(std::move(left));
      return arrow::Status::OK();
    }));
    piece->counts = local.chain->counts;
    std::fill(local.chain->counts.begin(), local.chain->counts.end(), StepCounts{});
    for (const StepCounts& c : piece->counts) piece->bad += c.rejected + c.skipped;
    take_lines(*local.chain, part.partition, *piece);
    if (JobStatus* status = state_->run->status) {
      const std::chrono::nanoseconds took(exec::now_ns() - began);
      status->worker(local.worker).add_busy(took);
      status->worker(local.worker).add_morsels(1);
      if (state_->of_source) status->batch_times().add(took);
    }
    return piece;
  }

  arrow::Status apply(std::unique_ptr<stream::Piece> base, const stream::MorselPart& part, stream::Emitter& out) override {
    auto& piece = static_cast<StagePiece&>(*base);
    book(piece);
    if (state_->letters != nullptr) ARROW_RETURN_NOT_OK(state_->letters->append(part.partition, std::move(piece.lines), piece.last));
    ARROW_RETURN_NOT_OK(check_limit(piece.bad));
    if (!time_) {
      for (Left& left : piece.left) ARROW_RETURN_NOT_OK(out.rows(std::move(left.batch)));
      return arrow::Status::OK();
    }
    idle_.seen(part.partition);
    for (Left& left : piece.left) {
      if (left.rows.empty()) continue;
      const stream::Watermark::Start start = mark_.enter(part.partition);
      ARROW_RETURN_NOT_OK(
          stream::pass_marked(std::move(left.batch), left.rows, left.times, start, out, [&](int64_t level) { return tell(level, out); }));
      mark_.leave(part.partition, *std::max_element(left.times.begin(), left.times.end()));
    }
    return tell(mark_.value(), out);
  }

  arrow::Status on_watermark(int, int64_t ticks, stream::Emitter& out) override {
    if (!time_ || !mark_.inherited()) return arrow::Status::OK();
    mark_.raise(ticks);
    return tell(ticks, out);
  }
  int64_t tick_every() const override { return idle_.every(); }
  arrow::Status on_tick(const stream::Tick& tick, stream::Emitter& out) override {
    if (!idle_.on()) return arrow::Status::OK();
    for (const int32_t p : idle_.tick(tick.now_micros, tick.at_end)) mark_.set_idle(p);
    return tell(mark_.value(), out);
  }

  arrow::Status snapshot(stream::SnapshotWriter& writer) override {
    writer.describe(kKind, 1, fingerprint());
    if (time_) mark_.save(kMark, writer);
    if (state_->letters == nullptr) return arrow::Status::OK();
    for (const auto& [source, positions] : writer.positions()) ARROW_RETURN_NOT_OK(state_->letters->append_told(positions));
    ARROW_ASSIGN_OR_RAISE(const int64_t size, state_->letters->flush());
    writer.number(kLettersSize, size);
    return arrow::Status::OK();
  }
  arrow::Status restore(stream::SnapshotReader& reader) override {
    ARROW_RETURN_NOT_OK(reader.check(kKind, 1, fingerprint()));
    if (time_) mark_.load(kMark, reader);
    if (state_->letters == nullptr || !reader.has_number(kLettersSize)) return arrow::Status::OK();
    return state_->letters->cut(reader.number(kLettersSize));
  }
  std::map<std::string, int64_t> stats() const override {
    const int64_t mark = mark_.value();
    if (!time_ || mark == stream::kNoTime || mark == stream::kAllTime) return {};
    return {{"watermark", mark}};
  }

 private:
  // Rows behind the steps are no rows of the source any more.
  static arrow::Status behind_steps(const arrow::Status& status) {
    const auto known = base::error_detail(status);
    if (!known) return status;
    base::ErrorDetail detail = *known;
    detail.batch_row = -1;
    detail.hint = "filter such rows before, or say which time they have";
    return base::with_detail(status, std::move(detail));
  }

  void take_lines(ChainLocal& local, int32_t partition, StagePiece& piece) const {
    for (Rejected& r : local.rejected) {
      Rejection told;
      told.record = std::move(r.record);
      told.step = state_->chain->step_name(r.step);
      told.error = std::move(r.error);
      told.file = state_->source_file + std::to_string(partition);
      told.row = r.row;
      LettersLog::Line line{r.row, {}};
      append_rejection(told, state_->run->job, line.text);
      piece.lines.push_back(std::move(line));
    }
    local.rejected.clear();
  }

  void book(const StagePiece& piece) {
    RunState& run = *state_->run;
    state_->rows_in += piece.rows;
    const auto add = [&](size_t step, const StepCounts& counts) {
      run.accounting.add(step, counts);
      if (run.status != nullptr) run.status->step(step).add(counts);
    };
    if (state_->of_source) {
      StepCounts source;
      source.rows_in = source.rows_out = piece.rows;
      source.batches = 1;
      add(0, source);
    }
    for (size_t i = 0; i < piece.counts.size(); ++i) {
      const StepCounts& c = piece.counts[i];
      add(state_->first_step + i, c);
      const int64_t bad = c.rejected + c.skipped;
      if (run.status != nullptr && bad > 0) run.status->add_errors(state_->chain->step_name(i), bad);
    }
    if (run.status != nullptr) run.status->progressed();
  }

  arrow::Status check_limit(int64_t bad) {
    RunState& run = *state_->run;
    const int64_t all = run.bad_rows.fetch_add(bad) + bad;
    if (!run.most_bad || all <= *run.most_bad) return arrow::Status::OK();
    return base::data_error("more rows are bad than on_error allows: at_most is " + std::to_string(*run.most_bad));
  }

  arrow::Status tell(int64_t level, stream::Emitter& out) {
    if (level == stream::kNoTime || level <= told_) return arrow::Status::OK();
    told_ = level;
    if (level != stream::kAllTime) state_->watermark = unix_micros_of(level, *time_->time->type);
    return out.watermark(level);
  }

  const std::shared_ptr<JobStageState> state_;
  const std::optional<stream::BoundWatermark> time_;
  mutable std::atomic<int> locals_{0};
  stream::Watermark mark_{0, 0, false};
  stream::IdleClock idle_{0};
  int64_t told_ = stream::kNoTime;
};

}  // namespace

arrow::Result<Stream> through_job_stage(const Stream& rows, std::shared_ptr<JobStageState> state) {
  std::optional<stream::BoundWatermark> time;
  if (state->time) {
    ARROW_ASSIGN_OR_RAISE(time, stream::bind_watermark(*state->time, *state->chain->output()));
    state->moments = time->time->type->id() == arrow::Type::TIMESTAMP;
  }
  stream::StatefulSpec spec;
  spec.id = "steps";
  spec.schema = state->chain->output();
  spec.make = [state, time]() -> arrow::Result<stream::StatefulOperatorPtr> { return std::make_shared<JobStage>(state, time); };
  const Stream staged = stream::add_stateful({rows}, std::move(spec));
  return stream::then(staged, [&](const stream::StreamState& s) -> arrow::Result<stream::StatePtr> {
    auto out = std::make_shared<stream::StreamState>(s);
    out->event_time = nullptr;
    if (state->time) out->event_time = std::make_shared<const stream::EventTime>(stream::EventTime{state->time->time, "", "", true});
    return stream::StatePtr(std::move(out));
  });
}

}  // namespace gristmill::job
