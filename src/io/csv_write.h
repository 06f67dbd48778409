// Writes the rows it is given, in order, to one CSV file: a header, texts quoted where they must be, nulls as nothing.
//
// Encoded by every worker (text_sink.h). An empty text is quoted, so that it does not read back as null. The bytes depend on the rows
// alone. The file appears under its name when it is complete (output_file.h).
#pragma once

#include <memory>
#include <string>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "base/memory_budget.h"
#include "exec/operator.h"
#include "gristmill/text_options.h"
#include "io/storage_options.h"

namespace gristmill::io {

// Nested columns are refused here, by name. The formats of dates are the frame's business.
arrow::Result<std::shared_ptr<exec::OrderedSink>> write_csv(const std::string& path, std::shared_ptr<arrow::Schema> schema,
                                                            const CsvWriteOptions& options, std::shared_ptr<base::QueryMemory> memory,
                                                            const StoragePtr& storage = {});
// One JSON object a line; nested values as lists and objects; NaN and infinities, which JSON has not, as null.
arrow::Result<std::shared_ptr<exec::OrderedSink>> write_ndjson(const std::string& path, std::shared_ptr<arrow::Schema> schema,
                                                               const NdjsonWriteOptions& options, std::shared_ptr<base::QueryMemory> memory,
                                                               const StoragePtr& storage = {});

}  // namespace gristmill::io
