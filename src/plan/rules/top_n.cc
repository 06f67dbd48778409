// A limit over a sort tells the sort how many rows are wanted.
//
//   limit n skip m over sort   ->   limit n skip m over sort top m+n
//
// The keys of every row are still computed, so nothing that fails is hidden.

#include <limits>

#include <arrow/type.h>

#include "plan/nodes.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"

namespace gristmill::plan {
namespace {

arrow::Result<PlanPtr> bound_sort(const PlanPtr& limit) {
  if (limit->kind != PlanKind::kLimit || limit->count < 0 || limit->inputs[0]->kind != PlanKind::kSort) return limit;
  if (limit->offset > std::numeric_limits<int64_t>::max() - limit->count) return limit;
  const Plan& sort = *limit->inputs[0];
  const int64_t wanted = limit->offset + limit->count;
  if (sort.top && *sort.top <= wanted) return limit;
  ARROW_ASSIGN_OR_RAISE(PlanPtr top, sort_node(sort.inputs[0], sort.sort, wanted));
  return limit_node(std::move(top), limit->offset, limit->count);
}

}  // namespace

arrow::Result<PlanPtr> top_n(const PlanPtr& plan) { return rewrite_bottom_up(plan, bound_sort); }

}  // namespace gristmill::plan
