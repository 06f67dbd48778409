// Reading Parquet files: the table source, its pruning and its scan.
//
// The schema is the first file's. Every footer is read when the source is made: a file with other columns or types is
// refused then, by name; the order of columns may differ. A column may be null if it may be in any file.
//
// A morsel is a row group, or a piece of a big one where the columns wanted can be skipped cheaply. In a row group that
// statistics, Bloom or runtime filters do not rule out, the predicate's columns are decoded batch by batch,
// conjunct by conjunct, and the other columns only where a row is left.
#pragma once

#include <string>
#include <vector>

#include <arrow/result.h>

#include "io/storage_options.h"
#include "plan/table_source.h"

namespace gristmill::io {

struct ParquetReadOptions {
  bool prune = true;        // statistics and Bloom filters; switched off the rows are the same
  bool own_decoder = true;  // the page decoder; switched off, everything goes through Arrow's reader
  StoragePtr storage;       // null: the environment
};

arrow::Result<plan::TableSourcePtr> scan_parquet(const std::vector<std::string>& patterns, ParquetReadOptions options = {});

}  // namespace gristmill::io
