// Grouped and global aggregation. Groups leave in the order of their first row (by Position), keys first, then aggregates;
// with `ordered` false in any order that is a function of the data alone.
//
// Global aggregation (no keys) gives exactly one row, also over no input. Results are the same bits at any
// worker count, morsel and batch size, spilled or not.
#pragma once

#include <vector>

#include "exec/breaker.h"
#include "expr/bind.h"

namespace gristmill::exec {

struct AggregateSpec {
  std::vector<expr::BoundPtr> keys;  // deterministic; may be fallible
  std::vector<expr::BoundAggregate> aggregates;
  bool ordered = true;
  std::string label;  // for explain(analyze)
};

arrow::Result<Breaker> make_aggregate(AggregateSpec spec, const QueryContext& context);

}  // namespace gristmill::exec
