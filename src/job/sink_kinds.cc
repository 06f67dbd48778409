// The table of sinks.

#include "job/http/http_sink.h"
#include "job/sinks/kinds.h"

namespace gristmill::job {

const std::vector<SinkKind>& sink_kinds() {
  static const std::vector<SinkKind> kKinds = {
      parquet_sink_kind(), csv_sink_kind(),      ndjson_sink_kind(), ipc_sink_kind(),
      stdout_sink_kind(),  postgres_sink_kind(), kafka_sink_kind(),  http_sink_kind(),
  };
  return kKinds;
}

}  // namespace gristmill::job
