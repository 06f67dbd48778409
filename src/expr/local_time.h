// Wall-clock times of timestamps with a zone, through Arrow's zone data.
#pragma once

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/column.h"

namespace gristmill::expr {

// A flat or constant timestamp column as local counts of its unit: itself without a zone or with UTC.
arrow::Result<column::Column> local_times(const column::Column& timestamps, int64_t rows, arrow::MemoryPool* pool);
// The instants of local counts in the zone of `zoned`; times that do not exist or exist twice take the earlier offset rule
// of Arrow ("earliest").
arrow::Result<column::Column> instants_of(const column::Column& local, const column::TypePtr& zoned, arrow::MemoryPool* pool);

}  // namespace gristmill::expr
