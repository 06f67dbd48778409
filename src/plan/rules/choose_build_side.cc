// An inner join builds its table from the left side when that is much the smaller one.
//
//   join inner small big   ->   join inner small big, build left
//
// Only when the left side has a certain bound. The output's order stays left rows first: with the left side built, rows
// must be put back in order, unless nobody sees it. So an ordered join asks for a greater difference.

#include <arrow/type.h>

#include "plan/nodes.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"
#include "plan/statistics.h"

namespace gristmill::plan {
namespace {

constexpr int64_t kFactorUnordered = 2;
constexpr int64_t kFactorOrdered = 16;

bool left_is_small(const Plan& join) {
  const auto left = estimate_rows(*join.inputs[0]), right = estimate_rows(*join.inputs[1]);
  if (!left.most || !right.likely) return false;
  return *left.most <= *right.likely / (join.ordered ? kFactorOrdered : kFactorUnordered);
}

arrow::Result<PlanPtr> choose(const PlanPtr& p) {
  if (p->kind != PlanKind::kJoin || p->join != JoinKind::kInner) return p;
  const bool build_left = left_is_small(*p);
  if (build_left == p->build_left) return p;
  auto out = copy_node(*p);
  out->build_left = build_left;
  return PlanPtr(std::move(out));
}

}  // namespace

arrow::Result<PlanPtr> choose_build_side(const PlanPtr& plan) { return rewrite_bottom_up(plan, choose); }

}  // namespace gristmill::plan
