// Limits meet, and scans learn how many rows are wanted.
//
//   limit n skip m over project over scan   ->  limit n skip m over project over scan limit m+n
//   limit over limit                        ->  one limit
//   limit -1 skip 0 over x                  ->  x
//
// Which way "wanted" travels down, and why errors stay the same, is in first_rows.h.

#include <algorithm>
#include <limits>

#include <arrow/type.h>

#include "plan/nodes.h"
#include "plan/rules/first_rows.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"

namespace gristmill::plan {
namespace {

arrow::Result<PlanPtr> limit_scan(const PlanPtr& p, int64_t rows) {
  if (p->kind != PlanKind::kScan || (p->scan_limit && *p->scan_limit <= rows)) return p;
  auto out = copy_node(*p);
  out->scan_limit = rows;
  return PlanPtr(std::move(out));
}

// skip m1 count n1, then skip m2 count n2: skip m1 + m2, count what both leave.
arrow::Result<PlanPtr> merge_limits(const Plan& limit) {
  const Plan& below = *limit.inputs[0];
  int64_t count = limit.count;
  if (below.count >= 0) {
    const int64_t left = std::max<int64_t>(below.count - limit.offset, 0);
    count = count < 0 ? left : std::min(count, left);
  }
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const int64_t offset = below.offset > kMost - limit.offset ? kMost : below.offset + limit.offset;
  return make_limit(below.inputs[0], offset, count);
}

arrow::Result<PlanPtr> push(const PlanPtr& limit) {
  if (limit->kind != PlanKind::kLimit) return limit;
  if (limit->offset == 0 && limit->count < 0) return limit->inputs[0];
  if (limit->inputs[0]->kind == PlanKind::kLimit) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr one, merge_limits(*limit));
    return push(one);
  }
  if (limit->count < 0) return limit;
  ARROW_ASSIGN_OR_RAISE(PlanPtr input, want_first(limit->inputs[0], reach(*limit), limit_scan));
  return input == limit->inputs[0] ? limit : limit_node(std::move(input), limit->offset, limit->count);
}

}  // namespace

arrow::Result<PlanPtr> push_limit(const PlanPtr& plan) { return rewrite_bottom_up(plan, push); }

}  // namespace gristmill::plan
