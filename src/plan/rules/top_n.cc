// A limit over a sort tells the sort how many rows are wanted.
//
//   limit n skip m over project over sort   ->   limit n skip m over project over sort top m+n
//
// The keys of every row are still computed, so nothing that fails there is hidden.

#include <arrow/type.h>

#include "plan/nodes.h"
#include "plan/rules/first_rows.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"

namespace gristmill::plan {
namespace {

arrow::Result<PlanPtr> bound_sort(const PlanPtr& p, int64_t rows) {
  if (p->kind != PlanKind::kSort || (p->top && *p->top <= rows)) return p;
  return sort_node(p->inputs[0], p->sort, rows);
}

arrow::Result<PlanPtr> below_limit(const PlanPtr& limit) {
  if (limit->kind != PlanKind::kLimit || limit->count < 0) return limit;
  ARROW_ASSIGN_OR_RAISE(PlanPtr input, want_first(limit->inputs[0], reach(*limit), bound_sort));
  return input == limit->inputs[0] ? limit : limit_node(std::move(input), limit->offset, limit->count);
}

}  // namespace

arrow::Result<PlanPtr> top_n(const PlanPtr& plan) { return rewrite_bottom_up(plan, below_limit); }

}  // namespace gristmill::plan
