// Reading newline-delimited JSON on every worker: one object a line.
//
// Blocks of whole lines are cut by one worker at a time (text_blocks.h) and read by whoever claims them (json_columns.h). Only the fields
// that a query needs become values; the others are checked for form. The schema is given, or guessed from the first lines of the first
// file: lists and structs too. A field that a line has not is null. Bad lines and values: as for CSV (csv_scan.h).
#pragma once

#include <string>
#include <vector>

#include <arrow/result.h>

#include "gristmill/text_options.h"
#include "io/json.h"
#include "plan/table_source.h"

namespace gristmill::io {

arrow::Result<plan::TableSourcePtr> scan_ndjson(const std::vector<std::string>& patterns, NdjsonOptions options = {});
arrow::Result<plan::TableSourcePtr> make_ndjson(const JsonReader& json);

}  // namespace gristmill::io
