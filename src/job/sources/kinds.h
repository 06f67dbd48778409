// The kinds of sources; source_kinds.cc puts them into one table.
#pragma once

#include "gristmill/frame.h"
#include "job/source.h"

namespace gristmill::job {

SourceKind csv_source_kind();
SourceKind ndjson_source_kind();
SourceKind parquet_source_kind();
SourceKind ipc_source_kind();
SourceKind stdin_source_kind();
SourceKind postgres_source_kind();
SourceKind kafka_source_kind();

// A source over the one scan that `frame` is.
arrow::Result<plan::TableSourcePtr> source_of(const Frame& frame, const Settings& settings);

}  // namespace gristmill::job
