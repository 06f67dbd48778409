// The domain's values are more group keys, partition keys and columns; what they part must not meet.

#include "sql/dependent.h"

#include <algorithm>
#include <cstdint>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "expr/bind.h"
#include "expr/window.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;
using plan::PlanPtr;

// Of no row all others are NULL.
bool counts(const expr::Node& aggregate) {
  return aggregate.name == "count" || aggregate.name == "n_unique" || aggregate.name == "approx_n_unique";
}

NodePtr zero() { return expr::literal(int64_t{0}); }

}  // namespace

std::vector<NodePtr> carried(const std::vector<Output>& outputs, const Dependence* d) {
  std::vector<NodePtr> out;
  for (const Output& o : outputs) {
    if (d && d->is_outer(o.name)) out.push_back(o.expr);
  }
  return out;
}

NodePtr partition_windows(const NodePtr& e, const std::vector<NodePtr>& keys) {
  if (keys.empty() || !expr::contains_window(*e)) return e;
  return expr::rewrite(e, [&](const NodePtr& n) -> NodePtr {
    if (n->kind != expr::NodeKind::kWindow) return n;
    auto copy = std::make_shared<expr::Node>(*n);
    auto window = std::make_shared<expr::Window>(*n->window);
    copy->args.insert(copy->args.begin() + window->arguments + window->partitions, keys.begin(), keys.end());
    window->partitions += static_cast<int>(keys.size());
    copy->window = std::move(window);
    return copy;
  });
}

bool aggregates_outer(const expr::Node& e, const Dependence& d) {
  if (e.kind == expr::NodeKind::kAggregate) {
    const auto names = plan::columns_of(e);
    return !names.empty() && std::all_of(names.begin(), names.end(), [&](const std::string& n) { return d.is_outer(n); });
  }
  return std::any_of(e.args.begin(), e.args.end(), [&](const NodePtr& a) { return aggregates_outer(*a, d); });
}

arrow::Result<PlanPtr> with_missing_groups(PlanPtr aggregated, const Dependence& d,
                                           const std::vector<std::pair<std::string, std::string>>& keys,
                                           const std::vector<NamedAggregate>& aggregates) {
  std::vector<NodePtr> outer, inner, outputs;
  for (const auto& [column, key] : keys) {
    outer.push_back(expr::column(column));
    inner.push_back(expr::column(key));
    outputs.push_back(expr::alias(expr::column(column), key));
  }
  for (const auto& a : aggregates) {
    NodePtr v = expr::column(a.name);
    if (counts(*a.aggregate)) v = expr::call("coalesce", {v, zero()});
    outputs.push_back(expr::alias(std::move(v), a.name));
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr all, plan::make_join(d.domain, std::move(aggregated), plan::JoinKind::kLeft, std::move(outer),
                                                     std::move(inner), false, d.null_safe));
  return plan::make_project(std::move(all), std::move(outputs));
}

arrow::Result<NodePtr> value_of_nothing(const NodePtr& e, const Dependence& d) {
  const NodePtr of_nothing = expr::rewrite(e, [](const NodePtr& n) {
    return n->kind != expr::NodeKind::kAggregate ? n : counts(*n) ? zero() : expr::null_literal();
  });
  if (d.uses_outer(*of_nothing)) return of_nothing;
  ARROW_ASSIGN_OR_RAISE(const auto bound, expr::bind(of_nothing, arrow::Schema({})));
  if (bound->kind != expr::BoundKind::kConstant) return of_nothing;
  return bound->value->is_valid ? expr::literal(bound->value, of_nothing->kind == expr::NodeKind::kLiteral) : NodePtr{};
}

arrow::Result<PlanPtr> limit_each(PlanPtr plan, const Dependence& d, std::vector<NodePtr> parts, int64_t offset, int64_t count) {
  const std::string name = "$row" + std::to_string(d.number);
  const std::vector<std::string> columns = plan->schema->field_names();
  expr::Over over;
  over.partition = std::move(parts);
  ARROW_ASSIGN_OR_RAISE(plan,
                        plan::make_with_columns(std::move(plan), {expr::alias(expr::window("row_number", {}, {}, std::move(over)), name)}));
  const NodePtr row = expr::column(name);
  NodePtr within = expr::call("gt", {row, expr::literal(offset)});
  if (count >= 0)
    within = expr::call("and", {within, expr::call("le", {row, expr::literal(offset > INT64_MAX - count ? INT64_MAX : offset + count)})});
  ARROW_ASSIGN_OR_RAISE(plan, plan::make_filter(std::move(plan), std::move(within)));
  return plan::keep_columns(std::move(plan), columns);
}

}  // namespace gristmill::sqltext
