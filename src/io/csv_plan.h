// What a CSV scan knows before it reads: the dialect, the columns with their types, and which column of each file is which.
//
// Made when the scan is made, from the options, the headers of all files and a sample of the first.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "gristmill/text_options.h"
#include "io/csv_columns.h"
#include "io/csv_text.h"
#include "io/text_blocks.h"

namespace gristmill::io {

struct CsvFile {
  TextFile file;
  const std::string& path() const { return file.input->path(); }
  int fields = 0;                                         // of a record
  std::vector<int> of_column;                             // for each column of the source the file's field, -1: none
  std::shared_ptr<const std::vector<std::string>> names;  // of its fields, where its header says which is which; else null
};

struct CsvPlan {
  CsvOptions options;
  std::vector<std::string> patterns;
  BlockRules rules;
  CsvValues values;
  std::vector<CsvFile> files;
  std::shared_ptr<arrow::Schema> schema;  // border types
  std::vector<column::TypePtr> types;     // canonical
  std::vector<bool> inferred;             // which types were guessed
  int64_t bytes = 0;

  std::vector<TextFile> text_files() const;
};

arrow::Result<std::shared_ptr<const CsvPlan>> plan_csv(const std::vector<std::string>& patterns, CsvOptions options);

// Types that are given by name; a plan error names the option.
arrow::Result<std::vector<std::pair<std::string, column::TypePtr>>> parse_column_types(const ColumnTypes& given, const char* option);
column::TypePtr border_of(const column::TypePtr& canonical);  // text as utf8, bytes as binary

}  // namespace gristmill::io
