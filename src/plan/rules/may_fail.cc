// Every expression of every node is asked.

#include "plan/rules/may_fail.h"

#include <arrow/type.h>

#include "plan/digits.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill::plan {

arrow::Result<bool> may_fail(const Plan& p) {
  for (const PlanPtr& in : p.inputs) {
    ARROW_ASSIGN_OR_RAISE(const bool below, may_fail(*in));
    if (below) return true;
  }
  std::vector<expr::NodePtr> parts;
  for (const NamedExpr& e : p.exprs) parts.push_back(e.expr);
  for (const SortBy& k : p.sort) parts.push_back(k.expr);
  parts.insert(parts.end(), p.left_keys.begin(), p.left_keys.end());
  if (p.kind == PlanKind::kFilter) parts.push_back(p.predicate);
  if (p.inputs.empty()) return false;
  for (const NamedExpr& a : p.aggregates) {
    const auto& input = *p.inputs[0]->schema;
    ARROW_ASSIGN_OR_RAISE(const bool fails,
                          p.kind == PlanKind::kWindow ? window_fallible(a.expr, input) : aggregate_fallible(a.expr, input));
    if (fails) return true;
  }
  ARROW_ASSIGN_OR_RAISE(const bool fails, any_fallible(parts, *p.inputs[0]));
  if (fails || p.kind != PlanKind::kJoin) return fails || p.explode.size() > 1;
  return join_may_fail(p);
}

arrow::Result<bool> groups_may_go(const Plan& p) {
  const arrow::Schema& input = *p.inputs[0]->schema;
  ARROW_ASSIGN_OR_RAISE(bool fails, any_fallible(p.exprs, *p.inputs[0]));
  for (const NamedExpr& a : p.aggregates) {
    ARROW_ASSIGN_OR_RAISE(const bool f, aggregate_fallible(a.expr, input));
    fails = fails || f;
  }
  return !fails;
}

}  // namespace gristmill::plan
