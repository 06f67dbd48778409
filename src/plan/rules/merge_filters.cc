// Two filters in a row become one.
//
//   filter q over filter p over x   ->   filter p and q over x
//
// Conjuncts of a filter run in order, each on the rows that passed those before it, so even a fallible q sees the same rows.

#include "plan/nodes.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"

namespace gristmill::plan {
namespace {

arrow::Result<PlanPtr> merge(const PlanPtr& p) {
  if (p->kind != PlanKind::kFilter || p->inputs[0]->kind != PlanKind::kFilter) return p;
  const Plan& below = *p->inputs[0];
  auto parts = expr::conjuncts(below.predicate);
  for (auto& q : expr::conjuncts(p->predicate)) parts.push_back(std::move(q));
  return filter_node(below.inputs[0], expr::conjunction(parts));
}

}  // namespace

arrow::Result<PlanPtr> merge_filters(const PlanPtr& plan) { return rewrite_bottom_up(plan, merge); }

}  // namespace gristmill::plan
