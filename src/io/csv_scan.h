// Reading CSV files on every worker.
//
// One worker at a time cuts the input into blocks of whole records (text_blocks.h); whoever claims a block finds its fields
// (csv_fields.h) and turns the columns that the query needs into values (csv_columns.h). Columns of the predicate come first, the others
// only for the rows that are left. Types are given, or guessed from the first rows of the first file; a later value that does not fit is an
// error naming file, line, column and value, or null, or costs its row: as the options say.
//
// What a query does not need is not looked at: a bad value in a column that is not read is no error. With on_error = skip every
// column counts, so the same rows are left out whatever is asked.
#pragma once

#include <string>
#include <vector>

#include <arrow/result.h>

#include "gristmill/text_options.h"
#include "io/json.h"
#include "plan/table_source.h"

namespace gristmill::io {

arrow::Result<plan::TableSourcePtr> scan_csv(const std::vector<std::string>& patterns, CsvOptions options = {});
// From what the source's to_json() gave.
arrow::Result<plan::TableSourcePtr> make_csv(const JsonReader& json);

}  // namespace gristmill::io
