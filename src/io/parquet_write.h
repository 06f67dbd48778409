// Writes the rows it is given, in order, to one Parquet file.
//
// The bytes are a function of the rows and the options alone: row groups are cut by output row count, pages by the
// values within them, dictionaries are in order of first appearance, and the footer carries no time. Columns are encoded on
// every worker; memory holds a few row groups.
// The file appears under its name when it is complete (output_file.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "base/memory_budget.h"
#include "exec/operator.h"
#include "io/storage_options.h"

namespace gristmill::io {

struct ParquetWriteOptions {
  int64_t row_group_rows = 122880;
  std::string compression = "zstd";  // "none", "snappy", "gzip", "brotli", "zstd", "lz4"
  int level = 1;                     // for those that have levels
  bool dictionary = true;
  bool statistics = true;
  std::vector<std::string> bloom_columns;  // columns to get a Bloom filter
  StoragePtr storage = {};                 // null: the environment
};

// `schema`: border types. Unsupported types and unknown options are errors here, before anything is written.
arrow::Result<std::shared_ptr<exec::OrderedSink>> write_parquet(const std::string& path, std::shared_ptr<arrow::Schema> schema,
                                                                const ParquetWriteOptions& options,
                                                                std::shared_ptr<base::QueryMemory> memory);

}  // namespace gristmill::io
