// An inner, semi or anti join builds its table from the left side when that is much the smaller one.
//
//   join inner small big   ->   join inner small big, build left
//   join semi small big    ->   join semi small big, build left      (of big, only what small asks for is read)
//   join left small big    ->   join right big small                 (where nobody sees the order)
//
// Only when the left side has a certain bound. The output's order stays left rows first: with the left side built, rows
// must be put back in order, unless nobody sees it. So an ordered join asks for a greater difference. Where nobody sees the order, a side
// that is guessed to be very much smaller is enough, if at worst it is not much the larger one: its filters leave little of the other.
// Semi and anti joins give the left rows as they were built, in order whoever asks; they read the right side once either way, so there
// a guess of very much less is enough without any bound.
//
// What is built runs before what probes it, and the first pipeline that fails gives the error: so nothing may fail on the left.

#include <arrow/type.h>

#include "expr/bind.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "plan/rules/may_fail.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"
#include "plan/statistics.h"

namespace gristmill::plan {
namespace {

constexpr int64_t kFactorUnordered = 2;
constexpr int64_t kFactorOrdered = 16;
constexpr int64_t kFactorGuessed = 8, kAtWorst = 4;
constexpr int64_t kFactorUnbounded = 32;

arrow::Result<bool> left_may_fail(const Plan& join) {
  ARROW_ASSIGN_OR_RAISE(const bool below, may_fail(*join.inputs[0]));
  return below ? arrow::Result<bool>(true) : any_fallible(join.left_keys, *join.inputs[0]->schema);
}

bool left_is_small(const Plan& join) {
  const auto left = estimate_rows(*join.inputs[0]), right = estimate_rows(*join.inputs[1]);
  const bool inner = join.join == JoinKind::kInner, reordered = inner && join.ordered;
  const bool once = join.join == JoinKind::kSemi || join.join == JoinKind::kAnti;
  if (once && left.likely && right.likely && *left.likely <= *right.likely / kFactorUnbounded) return true;
  if (!left.most || !right.likely) return false;
  if (*left.most <= *right.likely / (reordered ? kFactorOrdered : kFactorUnordered)) return true;
  return !reordered && left.likely && *left.likely <= *right.likely / kFactorGuessed && *left.most / kAtWorst <= *right.likely;
}

// Probes with the large side; the small side's rows that met nothing come at the end.
arrow::Result<PlanPtr> turned_round(const Plan& left_join) {
  const arrow::Schema &left = *left_join.inputs[0]->schema, &right = *left_join.inputs[1]->schema;
  JoinParts parts = join_parts(left_join);
  parts.kind = JoinKind::kRight;
  std::swap(parts.left_keys, parts.right_keys);
  for (int& c : parts.output) c += c < left.num_fields() ? right.num_fields() : -left.num_fields();
  if (parts.residual) {
    Substitution sides;
    for (const auto& f : left.fields()) sides.emplace("l." + f->name(), expr::column("r." + f->name()));
    for (const auto& f : right.fields()) sides.emplace("r." + f->name(), expr::column("l." + f->name()));
    parts.residual = substitute(parts.residual, sides);
  }
  ARROW_ASSIGN_OR_RAISE(const PlanPtr turned, join_node(left_join.inputs[1], left_join.inputs[0], std::move(parts)));
  auto out = copy_node(*turned);
  out->ordered = false;
  return PlanPtr(std::move(out));
}

arrow::Result<PlanPtr> choose(const PlanPtr& p) {
  // Without keys every pair leaves: nothing would pay for putting them back in order.
  if (p->kind != PlanKind::kJoin || p->left_keys.empty()) return p;
  const bool inner = p->join == JoinKind::kInner, outer = p->join == JoinKind::kLeft && !p->ordered;
  if (!inner && !outer && p->join != JoinKind::kSemi && p->join != JoinKind::kAnti) return p;
  bool build_left = left_is_small(*p);
  if (build_left && p->residual) {
    ARROW_ASSIGN_OR_RAISE(const bool fails, expr::fallible(p->residual, *pair_schema(*p->inputs[0]->schema, *p->inputs[1]->schema)));
    build_left = !fails;
  }
  if (build_left) {
    ARROW_ASSIGN_OR_RAISE(const bool fails, left_may_fail(*p));
    build_left = !fails;
  }
  if (build_left == p->build_left) return p;
  if (outer) return turned_round(*p);
  auto out = copy_node(*p);
  out->build_left = build_left;
  return PlanPtr(std::move(out));
}

}  // namespace

arrow::Result<PlanPtr> choose_build_side(const PlanPtr& plan) { return rewrite_bottom_up(plan, choose); }

}  // namespace gristmill::plan
