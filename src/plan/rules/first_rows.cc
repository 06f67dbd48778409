// The walk from a limit down to the nodes that can make use of it.

#include "plan/rules/first_rows.h"

#include <limits>

#include "plan/nodes.h"

namespace gristmill::plan {
namespace {

int64_t saturating_add(int64_t a, int64_t b) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  return a > kMost - b ? kMost : a + b;
}

// The same for the inputs of `p` up to number `count`.
arrow::Result<PlanPtr> want_of_inputs(const PlanPtr& p, size_t count, int64_t rows, const TakeFirst& take) {
  std::vector<PlanPtr> inputs = p->inputs;
  for (size_t i = 0; i < count; ++i) {
    ARROW_ASSIGN_OR_RAISE(inputs[i], want_first(p->inputs[i], rows, take));
  }
  return inputs == p->inputs ? p : with_inputs(*p, std::move(inputs));
}

}  // namespace

int64_t reach(const Plan& limit) { return saturating_add(limit.offset, limit.count); }

arrow::Result<PlanPtr> want_first(const PlanPtr& p, int64_t rows, const TakeFirst& take) {
  switch (p->kind) {
    case PlanKind::kRowIndex:
    case PlanKind::kProject: return want_of_inputs(p, 1, rows, take);
    case PlanKind::kUnion: return want_of_inputs(p, p->inputs.size(), rows, take);
    case PlanKind::kJoin: return keeps_left_rows(p->join) ? want_of_inputs(p, 1, rows, take) : arrow::Result<PlanPtr>(p);
    case PlanKind::kLimit: {
      const bool says_less = p->count >= 0 && p->count <= rows;
      return want_of_inputs(p, 1, says_less ? reach(*p) : saturating_add(p->offset, rows), take);
    }
    default: return take(p, rows);
  }
}

}  // namespace gristmill::plan
