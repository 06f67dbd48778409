// What a person should know about a computed month: rows and fan-out, warnings with names, totals for the charts.
#pragma once

#include <arrow/status.h>

#include "cost.h"
#include "report.h"

namespace ocp {

// Reads kept steps only. Counts of rows, fan-out, warnings and totals of `report` are filled in.
arrow::Status add_findings(const Costs& costs, const Reference& reference, const gristmill::ParallelOptions& options,
                           ClusterReport& report);

}  // namespace ocp
