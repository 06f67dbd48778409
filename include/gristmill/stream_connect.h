// Streams from and to services and folders: Kafka, PostgreSQL, files.
//
//   Stream orders = from_kafka("orders", {.servers = "localhost:9092", .schema = {{"id", "int64"}, {"amount", "float64"}}});
//   ARROW_RETURN_NOT_OK(write_postgres(orders.checkpoint({.path = "state"}), "postgresql://localhost/shop", "orders"));
//
// With a checkpoint the sinks of this file are exactly once: the rows of an epoch count all together, with its number, or not at all, and a
// run that was killed goes on without a gap and without a row twice. A write returns when the stream has ended.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>

#include "gristmill/files.h"
#include "gristmill/options.h"
#include "gristmill/postgres.h"
#include "gristmill/stream.h"

namespace gristmill {

enum class OnBadMessage : uint8_t { kFail, kSkip, kDeadLetter };
enum class AvroFraming : uint8_t {
  kNone,          // Avro's bytes alone
  kRegistry,      // behind a zero byte and the number of a schema registry's schema, which is not looked up
  kSingleObject,  // behind a mark and the schema's fingerprint
};

struct KafkaOptions {
  std::string servers;                            // "host:port,host:port"
  std::map<std::string, std::string> properties;  // of librdkafka, as they are: "security.protocol", "sasl.password", ...
  std::string group;                              // its offsets show what was read; empty: none
  bool balance = false;  // the group deals partitions out among processes; for streams without state and checkpoint
  // Where to begin without a checkpoint: "earliest", "latest", "committed", or a time ("2026-01-31T12:00:00Z", milliseconds since 1970).
  std::string start = "earliest";
  bool until_end = false;        // up to what the topic holds when the run begins; then it is a replay, the same rows in the same order
  std::string format = "json";   // json, avro, ipc, raw, text
  ColumnTypes schema;            // of json; empty: guessed from the first messages
  bool extra_fields = true;      // of json: false: a field that the schema has not is an error
  bool try_parse_dates = false;  // when guessing
  std::string avro_schema;       // the one messages were written with, as JSON
  AvroFraming avro_framing = AvroFraming::kNone;
  std::vector<std::string> metadata;  // "key", "partition", "offset", "timestamp", "headers", "topic": columns _key, _partition, ...
  bool text_keys = true;              // false: keys are bytes
  OnBadMessage on_error = OnBadMessage::kFail;
  std::string dead_letters;  // a local file for bad messages, an object a line
};
Stream from_kafka(const std::string& topic, KafkaOptions options);

// How a run into a sink goes, and its end, from any thread; a handle, for one run. Statistics stay when the run is over.
class StreamControl {
 public:
  StreamControl();
  void stop() const;  // ends it in order: sources end where they are; with a checkpoint the next run goes on there
  StreamStats stats() const;
  struct State;

 private:
  friend class ControlledRun;
  std::shared_ptr<State> state_;
};

struct KafkaWriteOptions {
  std::string servers;
  std::map<std::string, std::string> properties;
  bool exactly_once = true;      // an epoch is a transaction; else an idempotent producer
  std::string transactional_id;  // empty: from the stream's name
  std::string format = "json";   // json, avro, ipc, raw
  bool omit_nulls = false;
  std::string avro_schema;  // empty: made for the columns
  AvroFraming avro_framing = AvroFraming::kNone;
  int32_t registry_id = 0;
  int64_t ipc_rows = 1000;  // of a message
  std::string key;          // columns that say something of the message
  std::string partition;
  std::string timestamp;
  std::string headers;
  bool only_metadata = false;  // these are not part of its value
};
arrow::Status write_kafka(const Stream& stream, const std::string& topic, const KafkaWriteOptions& options, Cancellation cancel = {},
                          const StreamControl& control = {});

arrow::Status write_postgres(const Stream& stream, const std::string& connection, const std::string& table,
                             const PostgresSinkOptions& options = {}, Cancellation cancel = {}, const StreamControl& control = {});

// A file an epoch, which appears when the epoch counts.
struct StreamFilesOptions {
  std::string format = "parquet";  // parquet, csv, ndjson, ipc
  std::string compression;         // empty: the format's default
  std::map<std::string, std::string> storage;
};
arrow::Status write_files(const Stream& stream, const std::string& folder, const StreamFilesOptions& options = {},
                          Cancellation cancel = {}, const StreamControl& control = {});

}  // namespace gristmill
