// A topic of Kafka as a source: endless, or up to what it holds when the run begins.

#include <simdjson.h>

#include <arrow/util/base64.h>

#include "base/status.h"
#include "job/sources/kinds.h"
#include "plan/logical.h"
#include "stream/kafka_source.h"
#include "stream/steps.h"

namespace gristmill::job {
namespace {

class KafkaTopic final : public Source {
 public:
  explicit KafkaTopic(const Settings& settings) : settings_(settings) {}
  std::string name() const override { return "kafka " + settings_.text("topic"); }
  bool endless() const override { return true; }

  arrow::Result<plan::TableSourcePtr> open(const SourceContext& context) override {
    stream::KafkaSourceOptions options = options_of();
    if (context.leave_out_bad_records) options.on_error = stream::BadMessages::kSkip;
    if (context.leave_out_bad_records && context.tell_bad) {
      options.tell_bad = [tell = context.tell_bad](int32_t partition, const GmKafkaMessage& m, const arrow::Status& error) {
        const std::string_view bytes(m.value == nullptr ? "" : m.value, m.value == nullptr ? 0 : static_cast<size_t>(m.value_size));
        const bool text = simdjson::validate_utf8(bytes.data(), bytes.size());
        return tell(partition, m.offset, text ? std::string(bytes) : "base64:" + arrow::util::base64_encode(bytes), error);
      };
    }
    auto planned = stream::plan_kafka(std::move(options), context.cancel);
    if (!planned.ok()) return settings_.at(planned.status());
    const std::shared_ptr<const stream::KafkaPlan> plan = *std::move(planned);
    stream::SourceSpec source;
    source.name = plan->name();
    source.schema = plan->schema();
    source.endless = !plan->options.until_end;
    source.replay = plan->options.until_end;
    source.make = [plan]() -> arrow::Result<stream::EndlessSourcePtr> { return stream::kafka_source(plan); };
    const Stream stream = stream::from_source(std::move(source));
    ARROW_ASSIGN_OR_RAISE(const auto state, stream.state());
    return state->plan->source;
  }

 private:
  stream::KafkaSourceOptions options_of() const {
    stream::KafkaSourceOptions o;
    o.address.servers = settings_.text("servers");
    for (const auto& [k, v] : settings_.names("properties")) o.address.properties[k] = v;
    o.topic = settings_.text("topic");
    o.group = settings_.text("group");
    o.start = settings_.text("start", "earliest");
    o.until_end = settings_.text("until") == "end";
    o.format = settings_.text("format", "json");
    for (const auto& [name, type] : settings_.names("schema")) o.schema.emplace_back(name, type);
    o.extra_fields = settings_.text("extra_fields", "ignore") == "ignore";
    o.try_parse_dates = settings_.boolean("dates");
    o.avro_schema = settings_.text("avro_schema");
    const std::string framing = settings_.text("avro_framing", "none");
    o.avro_framing = framing == "registry"        ? io::AvroFraming::kRegistry
                     : framing == "single_object" ? io::AvroFraming::kSingleObject
                                                  : io::AvroFraming::kNone;
    o.metadata = settings_.texts("metadata");
    o.text_keys = settings_.text("keys", "text") == "text";
    return o;
  }

  const Settings settings_;
};

}  // namespace

SourceKind kafka_source_kind() {
  return {
      {.name = "kafka",
       .kind = ValueKind::kSection,
       .help = "The messages of a topic: the job runs until it is stopped, and goes on at its checkpoint.",
       .keys = {{.name = "topic", .help = "Its name.", .required = true},
                {.name = "servers", .help = "host:port, several with commas between.", .required = true},
                {.name = "format", .help = "What a message is.", .choices = {"json", "avro", "ipc", "raw", "text"}, .fallback = "json"},
                {.name = "schema",
                 .kind = ValueKind::kNames,
                 .help = "Columns of JSON and their types; else guessed from the first messages."},
                {.name = "extra_fields",
                 .help = "Of JSON: fields that the schema has not.",
                 .choices = {"ignore", "error"},
                 .fallback = "ignore"},
                {.name = "dates",
                 .kind = ValueKind::kBoolean,
                 .help = "When guessing: texts that are dates or times become such.",
                 .fallback = "false"},
                {.name = "avro_schema", .help = "The schema messages were written with, as JSON."},
                {.name = "avro_framing",
                 .help = "What stands before Avro's bytes.",
                 .choices = {"none", "registry", "single_object"},
                 .fallback = "none"},
                {.name = "metadata",
                 .kind = ValueKind::kTexts,
                 .help = "Further columns _key, _partition, _offset, _timestamp, _headers, _topic: key, partition, offset, timestamp, "
                         "headers, topic."},
                {.name = "keys", .help = "What a key is.", .choices = {"text", "raw"}, .fallback = "text"},
                {.name = "start",
                 .help = "Where to begin without a checkpoint: earliest, latest, committed (of the group), or a time.",
                 .fallback = "earliest"},
                {.name = "until", .help = "end: up to what the topic holds when the run begins; then the job is done.", .choices = {"end"}},
                {.name = "group", .help = "Its offsets show what every sink has; a checkpoint has its own."},
                {.name = "properties",
                 .kind = ValueKind::kNames,
                 .help = "Settings of librdkafka as they are: security.protocol, sasl.password, ...",
                 .secret = true}}},
      "kafka: {topic: orders, servers: \"localhost:9092\", schema: {id: int64, amount: float64}}",
      [](const Settings& s) -> arrow::Result<std::unique_ptr<Source>> { return std::make_unique<KafkaTopic>(s); }};
}

}  // namespace gristmill::job
