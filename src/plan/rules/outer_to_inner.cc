// A left or right join is an inner one when a filter behind it refuses the rows that it made up.
//
//   filter v > 1 over join left on k: l r   ->   filter v > 1 over join inner on k: l r      (v of r: NULL > 1 is not true)
//
// A condition refuses NULLs of a column when it is a comparison or the like of something that is NULL where the column is. Only
// conditions before the first that may fail count: an inner join gives fewer rows to those behind.

#include <algorithm>

#include <arrow/type.h>

#include "expr/bind.h"
#include "expr/registry.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"

namespace gristmill::plan {
namespace {

using expr::NodeKind;
using expr::NodePtr;

// Whether `e` is NULL when these columns are.
bool null_with(const expr::Node& e, const NameSet& columns) {
  if (e.kind == NodeKind::kColumn) return columns.contains(e.name);
  if (e.kind != NodeKind::kCall && e.kind != NodeKind::kCast) return false;
  if (e.kind == NodeKind::kCall) {
    const expr::Function* f = expr::find_function(e.name);
    if (!f || e.user || f->nulls != expr::NullRule::kPropagate || e.name == "and" || e.name == "or") return false;
  }
  return std::any_of(e.args.begin(), e.args.end(), [&](const NodePtr& a) { return null_with(*a, columns); });
}

bool refuses_nulls(const expr::Node& e, const NameSet& columns) {
  if (e.kind == NodeKind::kCall && e.name == "is_not_null") return null_with(*e.args[0], columns);
  if (e.kind == NodeKind::kCall && (e.name == "and" || e.name == "or")) {
    const bool a = refuses_nulls(*e.args[0], columns), b = refuses_nulls(*e.args[1], columns);
    return e.name == "and" ? a || b : a && b;
  }
  return null_with(e, columns);
}

arrow::Result<PlanPtr> make_inner(const PlanPtr& filter) {
  if (filter->kind != PlanKind::kFilter) return filter;
  const PlanPtr& join = filter->inputs[0];
  if (join->kind != PlanKind::kJoin || (join->join != JoinKind::kLeft && join->join != JoinKind::kRight) || join->residual) return filter;
  const int left = join->inputs[0]->schema->num_fields();
  NameSet made_up;
  for (size_t i = 0; i < join->join_output.size(); ++i) {
    const bool from_left = join->join_output[i] < left;
    if (from_left == (join->join == JoinKind::kRight)) made_up.insert(join->schema->field(static_cast<int>(i))->name());
  }
  for (const NodePtr& c : expr::conjuncts(filter->predicate)) {
    ARROW_ASSIGN_OR_RAISE(const bool fails, expr::fallible(c, *join->schema));
    if (fails) break;
    if (!refuses_nulls(*c, made_up)) continue;
    JoinParts parts = join_parts(*join);
    parts.kind = JoinKind::kInner;
    ARROW_ASSIGN_OR_RAISE(PlanPtr inner, join_node(join->inputs[0], join->inputs[1], std::move(parts)));
    if (!inner->schema->Equals(*join->schema)) return filter;
    auto out = copy_node(*inner);
    out->ordered = join->ordered;
    return with_inputs(*filter, {std::move(out)});
  }
  return filter;
}

}  // namespace

arrow::Result<PlanPtr> outer_to_inner(const PlanPtr& plan) { return rewrite_bottom_up(plan, make_inner); }

}  // namespace gristmill::plan
