// Sources and sinks of services as streams: what stream_connect.h promises.

#include "gristmill/stream_connect.h"

#include "stream/connect_options.h"
#include "stream/run.h"
#include "stream/steps.h"

namespace gristmill {

Stream from_kafka(const std::string& topic, KafkaOptions options) {
  auto planned = stream::plan_kafka(stream::source_options(topic, options));
  if (!planned.ok()) return Stream(arrow::Result<std::shared_ptr<const stream::StreamState>>(planned.status()));
  const std::shared_ptr<const stream::KafkaPlan> plan = *std::move(planned);
  stream::SourceSpec source;
  source.name = plan->name();
  source.schema = plan->schema();
  source.endless = !options.until_end;
  source.replay = options.until_end;
  source.make = [plan]() -> arrow::Result<stream::EndlessSourcePtr> { return stream::kafka_source(plan); };
  return stream::from_source(std::move(source));
}

arrow::Status write_kafka(const Stream& stream, const std::string& topic, const KafkaWriteOptions& options, Cancellation cancel) {
  ARROW_RETURN_NOT_OK(stream.state().status());
  ARROW_ASSIGN_OR_RAISE(auto sink, stream::kafka_sink(stream::sink_options(topic, options)));
  return stream::run_into(stream, std::move(sink), std::move(cancel));
}

arrow::Status write_postgres(const Stream& stream, const std::string& connection, const std::string& table,
                             const PostgresSinkOptions& options, Cancellation cancel) {
  ARROW_RETURN_NOT_OK(stream.state().status());
  ARROW_ASSIGN_OR_RAISE(auto sink, stream::epoch_postgres(connection, table, options));
  return stream::run_into(stream, std::move(sink), std::move(cancel));
}

arrow::Status write_files(const Stream& stream, const std::string& folder, const StreamFilesOptions& options, Cancellation cancel) {
  ARROW_RETURN_NOT_OK(stream.state().status());
  ARROW_ASSIGN_OR_RAISE(const auto files, stream::files_options(options));
  ARROW_ASSIGN_OR_RAISE(auto sink, stream::epoch_files(folder, files));
  return stream::run_into(stream, std::move(sink), std::move(cancel));
}

}  // namespace gristmill
