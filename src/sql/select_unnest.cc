// A call is a placeholder until its place in the plan is known.

#include "sql/select_unnest.h"

#include <algorithm>

#include "base/status.h"
#include "sql/table_functions.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;

bool is_unnest(const expr::Node& e) { return e.kind == expr::NodeKind::kCall && e.name == kUnnestCall; }

void collect_unnest(const NodePtr& e, std::vector<NodePtr>& calls) {
  if (is_unnest(*e)) {
    const bool known = std::any_of(calls.begin(), calls.end(), [&](const NodePtr& c) { return expr::equal(*c, *e); });
    if (!known) calls.push_back(e);
    return;
  }
  for (const NodePtr& a : e->args) collect_unnest(a, calls);
}

bool inside_aggregate(const expr::Node& e) {
  const bool closed = e.kind == expr::NodeKind::kAggregate || e.kind == expr::NodeKind::kWindow;
  if (closed) return contains_unnest(e);
  return std::any_of(e.args.begin(), e.args.end(), [](const NodePtr& a) { return inside_aggregate(*a); });
}

// The lists of the calls in `lists` taken apart; those calls become columns in all of `everywhere`.
arrow::Result<plan::PlanPtr> unnest_lists(plan::PlanPtr plan, const std::vector<NodePtr>& lists, const std::vector<NodePtr*>& everywhere) {
  std::vector<NodePtr> calls, arguments;
  for (const NodePtr& e : lists) collect_unnest(e, calls);
  if (calls.empty()) return plan;
  for (const NodePtr& c : calls) arguments.push_back(c->args[0]);
  ARROW_ASSIGN_OR_RAISE(Unnested made, unnest(std::move(plan), arguments, false));
  for (NodePtr* e : everywhere) {
    *e = expr::rewrite(*e, [&](const NodePtr& part) {
      if (!is_unnest(*part)) return part;
      const auto call = std::find_if(calls.begin(), calls.end(), [&](const NodePtr& c) { return expr::equal(*c, *part); });
      return call == calls.end() ? part : expr::column(made.columns[static_cast<size_t>(call - calls.begin())]);
    });
  }
  return std::move(made.plan);
}

}  // namespace

bool contains_unnest(const expr::Node& e) {
  return is_unnest(e) || std::any_of(e.args.begin(), e.args.end(), [](const NodePtr& a) { return contains_unnest(*a); }) ||
         (e.filter && contains_unnest(*e.filter));
}

arrow::Result<NodePtr> unnest_call(const PgQuery__FuncCall& f, const ExpressionLowering& expressions, const ParsedText& text) {
  if (!expressions.scope().in_select_list)
    return text.error("unnest stands in FROM or in a select list: from t, unnest(t.tags) as u(tag)", f.location);
  if (f.n_args != 1) return text.error("in a select list unnest takes one list; several go side by side in FROM", f.location);
  ARROW_ASSIGN_OR_RAISE(NodePtr list, expressions.lower(*f.args[0]));
  if (contains_unnest(*list)) return text.error("unnest of unnest is not supported; take the inner lists apart in a subquery", f.location);
  return expr::call(kUnnestCall, {std::move(list)});
}

arrow::Status check_unnest(const std::vector<Output>& outputs, const ParsedText& text) {
  for (const Output& o : outputs) {
    if (inside_aggregate(*o.expr))
      return text.error("unnest cannot stand inside an aggregate or a window function; use it in FROM: from t, unnest(t.tags) as u(tag)",
                        -1);
  }
  return arrow::Status::OK();
}

bool any_unnest(const std::vector<Output>& outputs) {
  return std::any_of(outputs.begin(), outputs.end(), [](const Output& o) { return contains_unnest(*o.expr); });
}

arrow::Result<plan::PlanPtr> unnest_outputs(plan::PlanPtr plan, std::vector<Output>& outputs) {
  std::vector<NodePtr> lists;
  std::vector<NodePtr*> everywhere;
  for (Output& o : outputs) {
    lists.push_back(o.expr);
    everywhere.push_back(&o.expr);
  }
  return unnest_lists(std::move(plan), lists, everywhere);
}

arrow::Result<plan::PlanPtr> unnest_keys(plan::PlanPtr plan, std::vector<NodePtr>& keys, std::vector<NodePtr*> elsewhere) {
  const std::vector<NodePtr> lists = keys;
  for (NodePtr& k : keys) elsewhere.push_back(&k);
  return unnest_lists(std::move(plan), lists, elsewhere);
}

}  // namespace gristmill::sqltext
