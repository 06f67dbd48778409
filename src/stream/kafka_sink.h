// Rows into a topic of Kafka, one message each (Arrow IPC: one for many rows).
//
// Exactly once: an epoch is a transaction, which carries the epoch's number as an offset of the sink's own group: whoever opens the sink
// reads there what counts. Messages of an epoch that does not count are never seen by readers with isolation.level = read_committed.
// At least once: an idempotent producer; an epoch ends when the brokers have everything.
#pragma once

#include <string>

#include <arrow/result.h>

#include "io/connect/kafka_client.h"
#include "io/record_encoder.h"
#include "stream/epoch_sink.h"

namespace gristmill::stream {

struct KafkaSinkOptions {
  io::KafkaAddress address;
  std::string topic;
  bool exactly_once = true;
  std::string transactional_id;  // empty: from the sink's name

  std::string format = "json";  // json, avro, ipc, raw
  bool omit_nulls = false;      // of json
  std::string avro_schema;      // empty: made for the columns
  io::AvroFraming avro_framing = io::AvroFraming::kNone;
  int32_t registry_id = 0;
  int64_t ipc_rows = 1000;  // of a message

  // Columns that say something of the message. They are part of the value too, but for those in `only_metadata`.
  std::string key;             // text or bytes as they are, other types as text
  std::string partition;       // whole numbers; without it by the key
  std::string timestamp;       // a timestamp
  std::string headers;         // list of struct<name, value>
  bool only_metadata = false;  // these columns are not part of the value
};

arrow::Result<EpochSinkPtr> kafka_sink(KafkaSinkOptions options);

}  // namespace gristmill::stream
