// A topic of Kafka as an endless source: each partition in its own order, from positions that a checkpoint keeps.
//
// By itself it reads all partitions (own assignment), so that a run restored elsewhere finds every position; with `balance` the group
// deals partitions out among several processes, which only runs without state and checkpoints can do. Waiting is by events: the library's
// threads say when messages have come; nothing polls with a clock.
//
// Until an end (`until_end`) it reads what the topic holds when the run starts, and merges partitions by time: of the partitions' next
// messages, those of the earliest second go first, lower partitions first. That order is a function of the topic alone.
//
// Columns: those of the format, then the wanted ones of _topic, _partition, _offset, _timestamp, _key, _headers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "gristmill/text_options.h"
#include "io/connect/kafka_client.h"
#include "io/record_decoder.h"
#include "stream/kafka_columns.h"
#include "stream/source.h"

namespace gristmill::stream {

enum class BadMessages : uint8_t { kFail, kSkip, kDeadLetter };

struct KafkaSourceOptions {
  io::KafkaAddress address;
  std::string topic;
  std::string group;     // its offsets are committed for others to see, and where `start` is "committed"; empty: none
  bool balance = false;  // partitions come from the group
  // "earliest", "latest", "committed" (earliest where nothing is), or a time: "2026-01-31T12:00:00Z", milliseconds since 1970.
  std::string start = "earliest";
  bool until_end = false;

  std::string format = "json";  // json, avro, ipc, raw, text
  ColumnTypes schema;           // of json: empty: guessed from the topic's first messages
  bool extra_fields = true;     // of json
  bool try_parse_dates = false;
  std::string avro_schema;
  io::AvroFraming avro_framing = io::AvroFraming::kNone;
  std::vector<std::string> metadata;  // "key", "partition", "offset", "timestamp", "headers", "topic"
  bool text_keys = true;              // keys are text; false: bytes

  BadMessages on_error = BadMessages::kFail;
  std::string dead_letters;  // a local file to which bad messages are appended, an object a line
  // Or whoever wants to hear of bad messages that are left out, from any worker, before the rows behind them leave decode().
  std::function<arrow::Status(int32_t partition, const GmKafkaMessage& message, const arrow::Status& error)> tell_bad;
};

// What is known before a run: the columns, and how messages become rows. Immutable, shared by runs.
struct KafkaPlan {
  KafkaSourceOptions options;
  std::shared_ptr<const KafkaColumns> columns;
  std::string name() const { return "kafka " + options.topic; }
  const std::shared_ptr<arrow::Schema>& schema() const { return columns->schema(); }
};
// Looks at the topic where the format does not say its columns. Errors that can be known before a run are.
arrow::Result<std::shared_ptr<const KafkaPlan>> plan_kafka(KafkaSourceOptions options, const base::CancelToken& cancel = {});
// For one run.
EndlessSourcePtr kafka_source(std::shared_ptr<const KafkaPlan> plan);

}  // namespace gristmill::stream
