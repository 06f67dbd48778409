// Usage rows of a generated cluster as plans: hours beside what is there in them, numbers made from a hash of both.
#pragma once

#include <arrow/result.h>

#include "generate_cluster.h"
#include "gristmill/frame.h"
#include "input.h"

namespace ocp {

// Rows of the hours begin..end-1 of the month, hour after hour, with the columns of the operator's files.
arrow::Result<gristmill::Frame> hourly_rows(const Cluster& cluster, Kind kind, const GenerateOptions& options, int32_t first_day,
                                            int32_t begin, int32_t end);

// The daily files' rows: seconds summed, the rest the greatest.
gristmill::Frame daily_rows(const gristmill::Frame& hourly, Kind kind);

}  // namespace ocp
