// Window functions are taken out of the expressions around them.
//
//   with_columns(x - lag(x) over w)   ->   project x, ..., x - "lag(x) over w" over window lag(x) over w
//
// A window node hands on its input's columns and rows, in their order, and adds one column a function. Functions inside the
// arguments of others come first, in a node below. Equal functions are computed once. Users' functions over batches of rows are taken
// out in the same way, into nodes of their own.

#include <algorithm>

#include <arrow/type.h>

#include "base/status.h"
#include "expr/window.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill::plan {
namespace {

using expr::NodeKind;
using expr::NodePtr;

// Functions that hand on a value of their column: over a plain column they keep its border type.
bool picks_a_value(const expr::Node& w) {
  static constexpr std::string_view kPicking[] = {"first", "last", "min", "max", "first_value", "last_value", "nth_value", "lag", "lead"};
  return std::find(std::begin(kPicking), std::end(kPicking), w.name) != std::end(kPicking) && w.window->arguments > 0 &&
         is_column(*w.args[0]);
}

arrow::Result<std::shared_ptr<arrow::Field>> window_field(const NamedExpr& e, const arrow::Schema& input) {
  ARROW_ASSIGN_OR_RAISE(const auto bound, expr::bind_window(e.expr, input));
  if (picks_a_value(*e.expr)) {
    ARROW_ASSIGN_OR_RAISE(const int at, find_column(input, e.expr->args[0]->name));
    const auto& type = input.field(at)->type();
    if (column::canonical_type(type)->Equals(*bound.type)) return arrow::field(e.name, type);
  }
  return arrow::field(e.name, border_type(bound.type));
}

bool holds_windows(const expr::Node& w) {
  return std::any_of(w.args.begin(), w.args.end(), [](const NodePtr& a) { return expr::contains_window(*a); }) ||
         (w.filter && expr::contains_window(*w.filter));
}

// Windows without windows inside become columns; returns the new expression.
class Innermost {
 public:
  explicit Innermost(const arrow::Schema& input) : taken_(names_of(input)) {}

  arrow::Result<NodePtr> rewrite(const NodePtr& e) {
    if (e->kind == NodeKind::kWindow && !holds_windows(*e)) return column_of(e);
    if (!expr::contains_window(*e)) return e;
    auto copy = std::make_shared<expr::Node>(*e);
    for (NodePtr& a : copy->args) {
      ARROW_ASSIGN_OR_RAISE(a, rewrite(a));
    }
    if (copy->filter) {
      ARROW_ASSIGN_OR_RAISE(copy->filter, rewrite(copy->filter));
    }
    return copy;
  }

  std::vector<NamedExpr> take() { return std::move(found_); }

 private:
  arrow::Result<NodePtr> column_of(const NodePtr& e) {
    if (expr::contains_aggregate(*e)) return base::plan_error("an aggregate cannot stand in a window function: " + expr::text(*e));
    for (const NamedExpr& known : found_) {
      if (expr::equal(*known.expr, *e)) return expr::column(known.name);
    }
    std::string name = expr::text(*e);
    while (!taken_.insert(name).second) name += "'";
    found_.push_back({name, e});
    return expr::column(name);
  }

  NameSet taken_;
  std::vector<NamedExpr> found_;
};

}  // namespace

arrow::Result<PlanPtr> window_node(PlanPtr input, std::vector<NamedExpr> windows) {
  arrow::FieldVector fields = input->schema->fields();
  for (const NamedExpr& w : windows) {
    ARROW_ASSIGN_OR_RAISE(auto field, window_field(w, *input->schema));
    fields.push_back(std::move(field));
  }
  auto p = new_node(PlanKind::kWindow, {std::move(input)});
  p->aggregates = std::move(windows);
  p->schema = arrow::schema(std::move(fields));
  return p;
}

arrow::Result<PlanPtr> add_windows(PlanPtr input, const std::vector<NodePtr*>& exprs) {
  const auto any = [&] { return std::any_of(exprs.begin(), exprs.end(), [](const NodePtr* e) { return expr::contains_window(**e); }); };
  while (any()) {
    Innermost inner(*input->schema);
    for (NodePtr* e : exprs) {
      ARROW_ASSIGN_OR_RAISE(*e, inner.rewrite(*e));
    }
    std::vector<NamedExpr> windows, batches;
    for (NamedExpr& w : inner.take()) (w.expr->user ? batches : windows).push_back(std::move(w));
    if (!windows.empty()) {
      ARROW_ASSIGN_OR_RAISE(input, window_node(std::move(input), std::move(windows)));
    }
    if (!batches.empty()) {
      ARROW_ASSIGN_OR_RAISE(input, window_node(std::move(input), std::move(batches)));
    }
  }
  return input;
}

arrow::Status refuse_windows(const expr::Node& e, std::string_view where) {
  if (!expr::contains_window(e)) return arrow::Status::OK();
  return base::plan_error("a window function cannot stand in " + std::string(where) + ": " + expr::text(e),
                          "compute it with with_columns() first");
}

arrow::Result<bool> window_fallible(const NodePtr& window, const arrow::Schema& input) {
  ARROW_ASSIGN_OR_RAISE(const auto b, expr::bind_window(window, input));
  const auto fails = [](const expr::BoundPtr& e) { return e && e->fallible; };
  return b.fallible || fails(b.filter) || std::any_of(b.args.begin(), b.args.end(), fails) ||
         std::any_of(b.partition.begin(), b.partition.end(), fails) ||
         std::any_of(b.order.begin(), b.order.end(), [](const expr::BoundOrder& o) { return o.expr->fallible; });
}

}  // namespace gristmill::plan
