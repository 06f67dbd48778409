// Whether a row group can hold a row that satisfies the predicate, judged without decoding it: by the statistics and
// Bloom filters of its column chunks.
//
// Invariant: "cannot match" is a proof. What is not understood (an unknown function, a type without order, statistics that
// are missing or hold a NaN) may match. NaN is the greatest value here and writers leave it out of their statistics, so the
// maximum of a float column bounds only the values a predicate is known not to compare as NaN.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include <arrow/result.h>

#include "io/parquet_file.h"
#include "plan/table_source.h"

namespace parquet {
class ParquetFileReader;
}

namespace gristmill::io {

enum class GroupVerdict : uint8_t { kMayMatch, kByStatistics, kByBloom, kByRuntimeFilter };

// `columns[i]` is the file's column behind output column i, which is what the predicate's inputs and the filters count. `reader` null:
// by the footer alone.
arrow::Result<GroupVerdict> judge_group(const ParquetFile& file, int group, const std::vector<int>& columns,
                                        const plan::ScanRequest& request, parquet::ParquetFileReader* reader);

// Least and greatest value of a column of numbers, dates or timestamps by the footer alone, in the column's units; nothing when some
// row group does not tell.
std::optional<std::pair<double, double>> parquet_value_range(const ParquetFile& file, int column);

}  // namespace gristmill::io
