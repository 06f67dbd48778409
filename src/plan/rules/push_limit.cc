// A limit goes down to where rows come from.
//
//   limit n skip m over scan         ->  limit n skip m over scan limit m+n
//   limit over project               ->  project over limit
//   limit n skip m over union a b    ->  limit n skip m over union (limit m+n over a) (limit m+n over b)
//   limit over limit                 ->  one limit
//
// A limit that is met beats every error after it, so it may pass a fallible projection; only the rows that it skips
// must still be computed there: with an offset a fallible projection stays below.

#include <algorithm>
#include <limits>

#include <arrow/type.h>

#include "plan/expressions.h"
#include "plan/nodes.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"

namespace gristmill::plan {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

int64_t saturating_add(int64_t a, int64_t b) { return a > kMost - b ? kMost : a + b; }

// Rows from the start that the limit looks at.
int64_t reach(const Plan& limit) { return saturating_add(limit.offset, limit.count); }

arrow::Result<PlanPtr> push(const PlanPtr& limit);

arrow::Result<PlanPtr> into_scan(const PlanPtr& limit) {
  const Plan& scan = *limit->inputs[0];
  if (scan.scan_limit && *scan.scan_limit <= reach(*limit)) return limit;
  auto below = copy_node(scan);
  below->scan_limit = reach(*limit);
  return limit_node(std::move(below), limit->offset, limit->count);
}

arrow::Result<PlanPtr> past_project(const PlanPtr& limit) {
  const Plan& project = *limit->inputs[0];
  if (limit->offset > 0) {
    ARROW_ASSIGN_OR_RAISE(const bool fails, any_fallible(project.exprs, *project.inputs[0]->schema));
    if (fails) return limit;
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr below, limit_node(project.inputs[0], limit->offset, limit->count));
  ARROW_ASSIGN_OR_RAISE(below, push(below));
  return with_inputs(project, {std::move(below)});
}

// Whether `p` is known to give no more than `rows` rows, so that another limit is of no use.
bool bounded(const Plan& p, int64_t rows) {
  switch (p.kind) {
    case PlanKind::kLimit: return p.count >= 0 && p.count <= rows;
    case PlanKind::kScan: return p.scan_limit && *p.scan_limit <= rows && p.inputs.empty();
    case PlanKind::kProject: return bounded(*p.inputs[0], rows);
    default: return false;
  }
}

arrow::Result<PlanPtr> into_union(const PlanPtr& limit) {
  const Plan& node = *limit->inputs[0];
  std::vector<PlanPtr> inputs;
  bool changed = false;
  for (const PlanPtr& in : node.inputs) {
    if (bounded(*in, reach(*limit))) {
      inputs.push_back(in);
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(PlanPtr one, limit_node(in, 0, reach(*limit)));
    ARROW_ASSIGN_OR_RAISE(one, push(one));
    inputs.push_back(std::move(one));
    changed = true;
  }
  if (!changed) return limit;
  ARROW_ASSIGN_OR_RAISE(PlanPtr below, with_inputs(node, std::move(inputs)));
  return limit_node(std::move(below), limit->offset, limit->count);
}

// skip m1 count n1, then skip m2 count n2: skip m1 + m2, count what both leave.
arrow::Result<PlanPtr> merge_limits(const PlanPtr& limit) {
  const Plan& below = *limit->inputs[0];
  const int64_t offset = saturating_add(below.offset, limit->offset);
  int64_t count = limit->count;
  if (below.count >= 0) {
    const int64_t left = std::max<int64_t>(below.count - limit->offset, 0);
    count = count < 0 ? left : std::min(count, left);
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr one, limit_node(below.inputs[0], offset, count));
  return push(one);
}

arrow::Result<PlanPtr> push(const PlanPtr& limit) {
  if (limit->kind != PlanKind::kLimit) return limit;
  if (limit->offset == 0 && limit->count < 0) return limit->inputs[0];
  const PlanKind below = limit->inputs[0]->kind;
  if (below == PlanKind::kLimit) return merge_limits(limit);
  if (below == PlanKind::kProject) return past_project(limit);
  if (limit->count < 0) return limit;
  if (below == PlanKind::kScan) return into_scan(limit);
  if (below == PlanKind::kUnion) return into_union(limit);
  return limit;
}

}  // namespace

arrow::Result<PlanPtr> push_limit(const PlanPtr& plan) { return rewrite_bottom_up(plan, push); }

}  // namespace gristmill::plan
