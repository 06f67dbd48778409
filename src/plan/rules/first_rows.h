// Where a limit's "only the first n rows" is felt below it.
#pragma once

#include <cstdint>
#include <functional>

#include "plan/logical.h"

namespace gristmill::plan {

// Rows from the start that a limit looks at (count >= 0): what it skips and what it passes.
int64_t reach(const Plan& limit);

// `take(node, rows)` for every node of which the first `rows` rows are enough to give the first `rows` of `p`: through
// projections, unions, limits, and to the left side of left, full and as-of joins (their rows come first). Fallible projections are no obstacle: they still run
// on the rows that the limit skips, and a limit that is met beats every error after it.
using TakeFirst = std::function<arrow::Result<PlanPtr>(const PlanPtr& node, int64_t rows)>;
arrow::Result<PlanPtr> want_first(const PlanPtr& p, int64_t rows, const TakeFirst& take);

}  // namespace gristmill::plan
