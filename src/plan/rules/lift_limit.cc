// A limit goes up past projections.
//
//   project over limit n skip m over x   ->   limit n skip m over project over x
//
// At the root a limit costs nothing, in the middle of a plan its rows must be kept; and limits that meet become one. Only
// past infallible projections: others would run on rows that the limit cuts off.

#include <arrow/type.h>

#include "plan/expressions.h"
#include "plan/nodes.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"

namespace gristmill::plan {
namespace {

arrow::Result<PlanPtr> lift(const PlanPtr& p) {
  if (p->kind != PlanKind::kProject || p->inputs[0]->kind != PlanKind::kLimit) return p;
  const Plan& limit = *p->inputs[0];
  ARROW_ASSIGN_OR_RAISE(const bool fails, any_fallible(p->exprs, *limit.schema));
  if (fails) return p;
  ARROW_ASSIGN_OR_RAISE(PlanPtr below, with_inputs(*p, {limit.inputs[0]}));
  return limit_node(std::move(below), limit.offset, limit.count);
}

}  // namespace

arrow::Result<PlanPtr> lift_limit(const PlanPtr& plan) { return rewrite_bottom_up(plan, lift); }

}  // namespace gristmill::plan
