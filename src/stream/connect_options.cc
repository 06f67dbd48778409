// Names to kinds; a plan error for a name that nothing has.

#include "stream/connect_options.h"

#include "base/status.h"
#include "io/storage_options.h"

namespace gristmill::stream {
namespace {

io::AvroFraming framing_of(AvroFraming framing) {
  switch (framing) {
    case AvroFraming::kRegistry: return io::AvroFraming::kRegistry;
    case AvroFraming::kSingleObject: return io::AvroFraming::kSingleObject;
    default: return io::AvroFraming::kNone;
  }
}

}  // namespace

KafkaSourceOptions source_options(const std::string& topic, const KafkaOptions& o) {
  KafkaSourceOptions out;
  out.address.servers = o.servers;
  out.address.properties = o.properties;
  out.topic = topic;
  out.group = o.group;
  out.balance = o.balance;
  out.start = o.start;
  out.until_end = o.until_end;
  out.format = o.format;
  out.schema = o.schema;
  out.extra_fields = o.extra_fields;
  out.try_parse_dates = o.try_parse_dates;
  out.avro_schema = o.avro_schema;
  out.avro_framing = framing_of(o.avro_framing);
  out.metadata = o.metadata;
  out.text_keys = o.text_keys;
  out.on_error = o.on_error == OnBadMessage::kFail   ? BadMessages::kFail
                 : o.on_error == OnBadMessage::kSkip ? BadMessages::kSkip
                                                     : BadMessages::kDeadLetter;
  out.dead_letters = o.dead_letters;
  return out;
}

KafkaSinkOptions sink_options(const std::string& topic, const KafkaWriteOptions& o) {
  KafkaSinkOptions out;
  out.address.servers = o.servers;
  out.address.properties = o.properties;
  out.topic = topic;
  out.exactly_once = o.exactly_once;
  out.transactional_id = o.transactional_id;
  out.format = o.format;
  out.omit_nulls = o.omit_nulls;
  out.avro_schema = o.avro_schema;
  out.avro_framing = framing_of(o.avro_framing);
  out.registry_id = o.registry_id;
  out.ipc_rows = o.ipc_rows;
  out.key = o.key;
  out.partition = o.partition;
  out.timestamp = o.timestamp;
  out.headers = o.headers;
  out.only_metadata = o.only_metadata;
  return out;
}

arrow::Result<EpochFilesOptions> files_options(const StreamFilesOptions& o) {
  EpochFilesOptions out;
  if (o.format == "parquet") {
    out.format = EpochFormat::kParquet;
  } else if (o.format == "csv") {
    out.format = EpochFormat::kCsv;
  } else if (o.format == "ndjson") {
    out.format = EpochFormat::kNdjson;
  } else if (o.format == "ipc") {
    out.format = EpochFormat::kIpc;
  } else {
    return base::plan_error("unknown format of files \"" + o.format + "\"",
                            base::suggest_name(o.format, {"parquet", "csv", "ndjson", "ipc"}));
  }
  out.compression = o.compression;
  ARROW_ASSIGN_OR_RAISE(out.storage, io::storage_options(o.storage));
  return out;
}

}  // namespace gristmill::stream
