// Groups of one table, or of a block read back, into another table.
#pragma once

#include <cstdint>

#include <arrow/result.h>

#include "exec/aggregate_plan.h"
#include "exec/group_table.h"

namespace gristmill::exec {

// Takes all of `from` into a set of one. Where most of its groups are new they keep their rows where they are and `from`'s memory goes over;
// else they are copied and it is freed.
arrow::Status merge_table(const AggregatePlan& plan, TableSet* into, GroupTable from);
// Copies: `rows` (side memory in `from`) stay the caller's.
arrow::Status merge_rows(const AggregatePlan& plan, TableSet* into, uint8_t* const* rows, int64_t n, GroupTable& from);
// The one group of an aggregation without keys.
arrow::Status merge_global(const AggregatePlan& plan, GroupTable* into, GroupTable from);

}  // namespace gristmill::exec
