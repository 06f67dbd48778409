// Reading CSV files, through Arrow's streaming parser.
//
// Types are inferred from the first block of the first file, or given; a column that is empty there is text. A
// later value that does not fit is an error naming file, line, column and value. Files follow one another and are parsed by one
// worker at a time; the other workers do what comes after.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "plan/table_source.h"

namespace gristmill::io {

struct CsvReadOptions {
  char delimiter = ',';
  bool header = true;                    // else columns are named f0, f1, ...
  std::vector<std::string> null_values;  // empty: "", "NULL", "null", "NA", "N/A", "NaN" and the like; texts are never null then
  std::shared_ptr<arrow::Schema> types;  // for the columns it names; null = infer all
  int64_t block_bytes = 1 << 20;         // also how much inference sees
};

arrow::Result<plan::TableSourcePtr> scan_csv(const std::vector<std::string>& patterns, CsvReadOptions options = {});

}  // namespace gristmill::io
