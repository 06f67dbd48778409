// A sort whose order nobody sees goes.
//
//   aggregate: sum(a) over sort by k over x   ->   aggregate: sum(a) over x
//
// Needs the marks of require_order. A sort with fallible keys, or one that picks the top rows, stays.

#include <arrow/type.h>

#include "plan/expressions.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"

namespace gristmill::plan {
namespace {

arrow::Result<PlanPtr> drop(const PlanPtr& p) {
  if (p->kind != PlanKind::kSort || p->ordered || p->top) return p;
  std::vector<expr::NodePtr> keys;
  for (const SortBy& k : p->sort) keys.push_back(k.expr);
  ARROW_ASSIGN_OR_RAISE(const bool fails, any_fallible(keys, *p->inputs[0]->schema));
  return fails ? p : p->inputs[0];
}

}  // namespace

arrow::Result<PlanPtr> drop_sort(const PlanPtr& plan) { return rewrite_bottom_up(plan, drop); }

}  // namespace gristmill::plan
