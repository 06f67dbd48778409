// The kinds of sinks; sink_kinds.cc puts them into one table.
#pragma once

#include "job/sink.h"

namespace gristmill::job {

SinkKind csv_sink_kind();
SinkKind ndjson_sink_kind();
SinkKind parquet_sink_kind();
SinkKind ipc_sink_kind();
SinkKind stdout_sink_kind();
SinkKind postgres_sink_kind();
SinkKind kafka_sink_kind();

}  // namespace gristmill::job
