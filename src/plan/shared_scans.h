// A table that a tree of inner joins reads twice by the same key is read once, if a small table of the tree leaves few of its rows.
//
//   join on k = key: t (join on g = key: (aggregate by k as g: t) (small where p))
//     ->   join on k = key: t' (join on g = key: (aggregate by k as g: t') (small where p)),   t' = join semi on k = key: t (small where p)
//
// So a scalar subquery over the table of its own outer query, `v < (select avg(v) from t where k = key)`, costs one scan. t' is the same
// node wherever it stands: shared_subplans.h makes one part of it.
//
// A row of t whose key the small table does not have meets nothing in the tree, nor does its group. Between the scan and the tree there
// are filters, plain columns, joins that the row leaves with its pairs and groupings by the key only, and nothing that may fail on a row
// that is not there any more.
#pragma once

#include "plan/logical.h"

namespace gristmill::plan {

// `optimised`, or the same with such scans replaced.
arrow::Result<PlanPtr> share_scans(const PlanPtr& optimised);

}  // namespace gristmill::plan
