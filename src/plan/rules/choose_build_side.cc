// An inner join builds its table from the left side when that is much the smaller one.
//
//   join inner small big   ->   join inner small big, build left
//
// Only when the left side has a certain bound. The output's order stays left rows first: with the left side built, rows
// must be put back in order, unless nobody sees it. So an ordered join asks for a greater difference.
//
// What is built runs before what probes it, and the first pipeline that fails gives the error: so nothing may fail on the left.

#include <arrow/type.h>

#include "plan/expressions.h"
#include "plan/nodes.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"
#include "plan/statistics.h"

namespace gristmill::plan {
namespace {

constexpr int64_t kFactorUnordered = 2;
constexpr int64_t kFactorOrdered = 16;

// Whether anything that `p` computes row by row may fail.
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
    ARROW_ASSIGN_OR_RAISE(const bool fails, p.kind == PlanKind::kWindow ? window_fallible(a.expr, input) : aggregate_fallible(a.expr, input));
    if (fails) return true;
  }
  ARROW_ASSIGN_OR_RAISE(const bool fails, any_fallible(parts, *p.inputs[0]->schema));
  if (fails || p.kind != PlanKind::kJoin) return fails || p.explode.size() > 1;
  return join_may_fail(p);
}

arrow::Result<bool> left_may_fail(const Plan& join) {
  ARROW_ASSIGN_OR_RAISE(const bool below, may_fail(*join.inputs[0]));
  return below ? arrow::Result<bool>(true) : any_fallible(join.left_keys, *join.inputs[0]->schema);
}

bool left_is_small(const Plan& join) {
  const auto left = estimate_rows(*join.inputs[0]), right = estimate_rows(*join.inputs[1]);
  if (!left.most || !right.likely) return false;
  return *left.most <= *right.likely / (join.ordered ? kFactorOrdered : kFactorUnordered);
}

arrow::Result<PlanPtr> choose(const PlanPtr& p) {
  // Without keys every pair leaves: nothing would pay for putting them back in order.
  if (p->kind != PlanKind::kJoin || p->join != JoinKind::kInner || p->left_keys.empty()) return p;
  bool build_left = left_is_small(*p);
  if (build_left) {
    ARROW_ASSIGN_OR_RAISE(const bool fails, left_may_fail(*p));
    build_left = !fails;
  }
  if (build_left == p->build_left) return p;
  auto out = copy_node(*p);
  out->build_left = build_left;
  return PlanPtr(std::move(out));
}

}  // namespace

arrow::Result<PlanPtr> choose_build_side(const PlanPtr& plan) { return rewrite_bottom_up(plan, choose); }

}  // namespace gristmill::plan
