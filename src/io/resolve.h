// Table sources made again from what they said of themselves: the resolver of plan::deserialize for files.
#pragma once

#include <string>

#include <arrow/result.h>

#include "plan/table_source.h"

namespace gristmill::io {

// `kind` and `json` as TableSource::kind() and to_json() gave them. Kinds that live in one process only ("memory",
// "stream") are a plan error.
arrow::Result<plan::TableSourcePtr> make_source(const std::string& kind, const std::string& json);

// By the ending of the (first) name: .parquet, .parq, .pq; .csv, .tsv, .txt; .arrow, .ipc, .feather, .arrows.
arrow::Result<plan::TableSourcePtr> scan_files(const std::vector<std::string>& patterns);

// By a format's kind instead of the names: "parquet", "csv", "ipc".
arrow::Result<plan::TableSourcePtr> scan_files_as(const std::string& kind, const std::vector<std::string>& patterns);

}  // namespace gristmill::io
