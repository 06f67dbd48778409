// A topic of Kafka as a sink: an epoch, or a job that ends, is a transaction.

#include "base/status.h"
#include "job/sinks/kinds.h"
#include "stream/kafka_sink.h"

namespace gristmill::job {
namespace {

// All rows of a job that ends as one epoch.
class OneEpoch final : public exec::OrderedSink {
 public:
  OneEpoch(stream::EpochSinkPtr sink, int64_t epoch) : sink_(std::move(sink)), epoch_(epoch) {}
  std::string name() const override { return sink_->name(); }
  arrow::Result<std::vector<column::Batch>> stage(std::vector<column::Batch> batches, const exec::QueryContext& context) override {
    return sink_->stage(std::move(batches), context);
  }
  arrow::Result<Answer> deliver(uint64_t, std::vector<column::Batch>& batches) override {
    return batches.empty() ? Answer{} : sink_->deliver(batches);
  }
  arrow::Status finalize() override {
    ARROW_ASSIGN_OR_RAISE(const std::string token, sink_->flush(epoch_, {}));
    ARROW_RETURN_NOT_OK(sink_->commit(epoch_, token));
    return sink_->close();
  }
  void abandon() override { sink_->abort(); }

 private:
  const stream::EpochSinkPtr sink_;
  const int64_t epoch_;
};

class KafkaTopicSink final : public Sink {
 public:
  explicit KafkaTopicSink(const Settings& settings) : settings_(settings) {}
  std::string name() const override { return "kafka " + settings_.text("topic"); }

  arrow::Result<std::shared_ptr<exec::OrderedSink>> open(const std::shared_ptr<arrow::Schema>& schema,
                                                         const SinkContext& context) override {
    ARROW_ASSIGN_OR_RAISE(stream::EpochSinkPtr sink, open_epochs());
    auto query = std::make_shared<exec::QueryContext>();
    query->memory = context.memory;
    query->cancel = context.cancel;
    query->workers = context.workers;
    query_ = query;
    ARROW_ASSIGN_OR_RAISE(const int64_t before, sink->open("job-" + settings_.text("topic"), schema, *query_));
    ARROW_RETURN_NOT_OK(sink->begin(before + 1));
    return std::make_shared<OneEpoch>(std::move(sink), before + 1);
  }
  arrow::Status add_to_existing() override { return arrow::Status::OK(); }

  arrow::Result<stream::EpochSinkPtr> open_epochs() override {
    stream::KafkaSinkOptions o;
    o.address.servers = settings_.text("servers");
    for (const auto& [k, v] : settings_.names("properties")) o.address.properties[k] = v;
    o.topic = settings_.text("topic");
    o.exactly_once = settings_.boolean("exactly_once", true);
    o.transactional_id = settings_.text("transactional_id");
    o.format = settings_.text("format", "json");
    o.omit_nulls = settings_.boolean("omit_nulls");
    o.avro_schema = settings_.text("avro_schema");
    o.key = settings_.text("key");
    o.partition = settings_.text("partition");
    o.timestamp = settings_.text("timestamp");
    o.headers = settings_.text("headers");
    o.only_metadata = settings_.boolean("only_metadata");
    auto made = stream::kafka_sink(std::move(o));
    return made.ok() ? made : settings_.at(made.status());
  }

 private:
  const Settings settings_;
  std::shared_ptr<const exec::QueryContext> query_;
};

}  // namespace

SinkKind kafka_sink_kind() {
  return {
      {.name = "kafka",
       .kind = ValueKind::kSection,
       .help = "A topic of Kafka, which must exist; rows count in transactions.",
       .keys =
           {{.name = "topic", .help = "Its name.", .required = true},
            {.name = "servers", .help = "host:port, several with commas between.", .required = true},
            {.name = "format", .help = "What a message is.", .choices = {"json", "avro", "ipc", "raw"}, .fallback = "json"},
            {.name = "omit_nulls", .kind = ValueKind::kBoolean, .help = "Of JSON: leave out fields that are NULL.", .fallback = "false"},
            {.name = "avro_schema", .help = "As JSON; else made for the columns."},
            {.name = "key", .help = "The column that is the message's key."},
            {.name = "partition", .help = "The column with its partition; else by the key."},
            {.name = "timestamp", .help = "The column with its time."},
            {.name = "headers", .help = "The column with its headers: list of struct<name, value>."},
            {.name = "only_metadata",
             .kind = ValueKind::kBoolean,
             .help = "These columns are no part of the message's value.",
             .fallback = "false"},
            {.name = "exactly_once",
             .kind = ValueKind::kBoolean,
             .help = "Transactions; else an idempotent producer, at least once.",
             .fallback = "true"},
            {.name = "transactional_id", .help = "Else from the job's name."},
            {.name = "properties",
             .kind = ValueKind::kNames,
             .help = "Settings of librdkafka as they are: security.protocol, sasl.password, ...",
             .secret = true}}},
      "kafka: {topic: results, servers: \"localhost:9092\", key: id}",
      [](const Settings& s) -> arrow::Result<std::unique_ptr<Sink>> { return std::make_unique<KafkaTopicSink>(s); }};
}

}  // namespace gristmill::job
