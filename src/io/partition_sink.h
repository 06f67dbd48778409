// Rows into the files of a folder: one after the other, a new one where the partition changes or the last one is large enough.
//
// Rows come sorted by partition, so one file is being filled at a time, whatever the number of partitions; files that are full are finished
// by whoever comes first. Which file a row is in, and where in it, follows from the rows and the options alone.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "base/memory_budget.h"
#include "exec/operator.h"
#include "io/output_folder.h"

namespace gristmill::io {

struct PartitionRules {
  std::vector<std::string>
      keys;               // their values are the last columns of each row, as text; neighbouring rows of equal values are a partition
  int64_t max_rows = 0;   // of one file; 0: any
  int64_t max_bytes = 0;  // of the values of one file (value_bytes.h): a file ends with the row that reaches it
};

using MakeFileSink = std::function<arrow::Result<std::shared_ptr<exec::OrderedSink>>(const std::string& path)>;

// `make` gives the sink of one file, for rows without the key columns.
std::shared_ptr<exec::OrderedSink> partition_sink(std::unique_ptr<OutputFolder> folder, PartitionRules rules, MakeFileSink make,
                                                  std::shared_ptr<base::QueryMemory> memory);

}  // namespace gristmill::io
