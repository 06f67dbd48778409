// Sources and sinks of services as streams: what stream_connect.h promises.

#include "gristmill/stream_connect.h"

#include <mutex>
#include <utility>

#include "frame/query_runner.h"
#include "stream/connect_options.h"
#include "stream/interruptible.h"
#include "stream/run.h"
#include "stream/steps.h"

namespace gristmill {

struct StreamControl::State {
  std::mutex mutex;
  std::shared_ptr<stream::StreamRun> run;  // that goes on
  bool stopped = false;
  StreamStats last = "{}";
};

StreamControl::StreamControl() : state_(std::make_shared<State>()) {}

void StreamControl::stop() const {
  std::shared_ptr<stream::StreamRun> run;
  {
    std::lock_guard lock(state_->mutex);
    state_->stopped = true;
    run = state_->run;
  }
  if (run) run->stop();
}

StreamStats StreamControl::stats() const {
  std::shared_ptr<stream::StreamRun> run;
  {
    std::lock_guard lock(state_->mutex);
    if (!state_->run) return state_->last;
    run = state_->run;
  }
  return run->stats();
}

class ControlledRun {
 public:
  explicit ControlledRun(const StreamControl& control) : state_(control.state_) {}

  arrow::Status into(const Stream& stream, stream::EpochSinkPtr sink, Cancellation cancel) {
    const arrow::Status done =
        stream::run_into(stream, std::move(sink), std::move(cancel), [&](const std::shared_ptr<stream::StreamRun>& run) { begin(run); });
    end();
    return done;
  }

 private:
  void begin(const std::shared_ptr<stream::StreamRun>& run) {
    std::unique_lock lock(state_->mutex);
    state_->run = run;
    const bool stopped = state_->stopped;  // before it had begun
    lock.unlock();
    if (stopped) run->stop();
  }
  // What the run held goes with it.
  void end() {
    std::unique_lock lock(state_->mutex);
    const std::shared_ptr<stream::StreamRun> run = state_->run;
    lock.unlock();
    if (!run) return;
    StreamStats last = run->stats();
    lock.lock();
    state_->last = std::move(last);
    state_->run.reset();
  }

  const std::shared_ptr<StreamControl::State> state_;
};

Stream from_kafka(const std::string& topic, KafkaOptions options) {
  std::shared_ptr<const stream::KafkaPlan> plan;
  const base::CancelToken cancel;
  const bool asks = options.schema.empty();  // the broker, for messages to guess from
  const arrow::Status planned = stream::interruptible(asks ? QueryRunner::interrupt() : nullptr, cancel, [&] {
    return stream::plan_kafka(stream::source_options(topic, options), cancel).Value(&plan);
  });
  if (!planned.ok()) return Stream(arrow::Result<std::shared_ptr<const stream::StreamState>>(planned));
  stream::SourceSpec source;
  source.name = plan->name();
  source.schema = plan->schema();
  source.endless = !options.until_end;
  source.replay = options.until_end;
  source.make = [plan]() -> arrow::Result<stream::EndlessSourcePtr> { return stream::kafka_source(plan); };
  return stream::from_source(std::move(source));
}

arrow::Status write_kafka(const Stream& stream, const std::string& topic, const KafkaWriteOptions& options, Cancellation cancel,
                          const StreamControl& control) {
  ARROW_RETURN_NOT_OK(stream.state().status());
  ARROW_ASSIGN_OR_RAISE(auto sink, stream::kafka_sink(stream::sink_options(topic, options)));
  return ControlledRun(control).into(stream, std::move(sink), std::move(cancel));
}

arrow::Status write_postgres(const Stream& stream, const std::string& connection, const std::string& table,
                             const PostgresSinkOptions& options, Cancellation cancel, const StreamControl& control) {
  ARROW_RETURN_NOT_OK(stream.state().status());
  ARROW_ASSIGN_OR_RAISE(auto sink, stream::epoch_postgres(connection, table, options));
  return ControlledRun(control).into(stream, std::move(sink), std::move(cancel));
}

arrow::Status write_files(const Stream& stream, const std::string& folder, const StreamFilesOptions& options, Cancellation cancel,
                          const StreamControl& control) {
  ARROW_RETURN_NOT_OK(stream.state().status());
  ARROW_ASSIGN_OR_RAISE(const auto files, stream::files_options(options));
  ARROW_ASSIGN_OR_RAISE(auto sink, stream::epoch_files(folder, files));
  return ControlledRun(control).into(stream, std::move(sink), std::move(cancel));
}

}  // namespace gristmill
