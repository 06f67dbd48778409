// Writes the rows it is given, in order, to one CSV file: a header, texts quoted where they must be, nulls as nothing.
//
// The bytes depend on the rows alone. The file appears under its name when it is complete (output_file.h).
#pragma once

#include <memory>
#include <string>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "base/memory_budget.h"
#include "exec/operator.h"
#include "io/storage_options.h"

namespace gristmill::io {

struct CsvWriteOptions {
  char delimiter = ',';
  bool header = true;
  StoragePtr storage = {};  // null: the environment
};

// Nested columns are refused here, by name.
arrow::Result<std::shared_ptr<exec::OrderedSink>> write_csv(const std::string& path, std::shared_ptr<arrow::Schema> schema,
                                                            const CsvWriteOptions& options, std::shared_ptr<base::QueryMemory> memory);

}  // namespace gristmill::io
