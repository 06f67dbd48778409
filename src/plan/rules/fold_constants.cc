// Computes what needs no row, when it cannot fail.
//
//   filter a > 1 + 2                 ->  filter a > 3
//   filter a > 1 and true            ->  filter a > 1        (so "or false", and "false and x" -> false)
//   filter true over x               ->  x
//
// "x and false" is false only if x is infallible: x runs on every row, what stands behind a false does not.

#include <algorithm>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "expr/bind.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"

namespace gristmill::plan {
namespace {

using expr::NodeKind;
using expr::NodePtr;

bool is_bool_literal(const NodePtr& e, bool value) {
  if (e->kind != NodeKind::kLiteral || !e->value->is_valid || e->value->type->id() != arrow::Type::BOOL) return false;
  return static_cast<const arrow::BooleanScalar&>(*e->value).value == value;
}

// `a op b` for op "and" (neutral true) and "or" (neutral false), one side a literal.
NodePtr fold_logic(const NodePtr& e, const arrow::Schema& input) {
  const bool neutral = e->name == "and";
  const NodePtr &a = e->args[0], &b = e->args[1];
  const auto bool_typed = [&](const NodePtr& x) {
    const auto type = expr::type_of(x, input);
    return type.ok() && (*type)->id() == arrow::Type::BOOL;
  };
  if (is_bool_literal(a, neutral) && bool_typed(b)) return b;
  if (is_bool_literal(b, neutral) && bool_typed(a)) return a;
  if (is_bool_literal(a, !neutral)) return a;
  if (is_bool_literal(b, !neutral)) {
    const auto fails = expr::fallible(a, input);
    if (fails.ok() && !*fails) return b;
  }
  return e;
}

// As the binder has it: what is computed from untyped literals alone still adapts to the other side.
bool stays_untyped(const expr::Node& e, const expr::Bound& value) {
  return e.kind == NodeKind::kCall && value.type->id() != arrow::Type::BOOL &&
         std::all_of(e.args.begin(), e.args.end(), [](const NodePtr& a) { return a->untyped; });
}

NodePtr fold_node(const NodePtr& e, const arrow::Schema& input) {
  if (e->kind != NodeKind::kCall && e->kind != NodeKind::kCast) return e;
  const bool literals = std::all_of(e->args.begin(), e->args.end(), [](const NodePtr& a) { return a->kind == NodeKind::kLiteral; });
  if (literals && !e->args.empty()) {
    const auto bound = expr::bind(e, input);
    if (bound.ok() && (*bound)->kind == expr::BoundKind::kConstant) return expr::literal((*bound)->value, stays_untyped(*e, **bound));
  }
  if (e->kind == NodeKind::kCall && e->args.size() == 2 && (e->name == "and" || e->name == "or")) return fold_logic(e, input);
  return e;
}

// The folded expression; the given one when its type would change.
NodePtr fold(const NodePtr& e, const arrow::Schema& input) {
  const NodePtr folded = expr::rewrite(e, [&](const NodePtr& n) { return fold_node(n, input); });
  if (folded == e || e->kind == NodeKind::kAggregate || e->kind == NodeKind::kWindow) return folded;
  const auto before = expr::type_of(e, input), after = expr::type_of(folded, input);
  return before.ok() && after.ok() && (*before)->Equals(**after) ? folded : e;
}

bool fold_all(std::vector<NodePtr>& exprs, const arrow::Schema& input) {
  bool changed = false;
  for (NodePtr& e : exprs) {
    const NodePtr folded = fold(e, input);
    changed = changed || folded != e;
    e = folded;
  }
  return changed;
}

bool fold_all(std::vector<NamedExpr>& exprs, const arrow::Schema& input) {
  bool changed = false;
  for (NamedExpr& e : exprs) {
    const NodePtr folded = fold(e.expr, input);
    changed = changed || folded != e.expr;
    e.expr = folded;
  }
  return changed;
}

bool fold_sort(std::vector<SortBy>& keys, const arrow::Schema& input) {
  bool changed = false;
  for (SortBy& k : keys) {
    const NodePtr folded = fold(k.expr, input);
    changed = changed || folded != k.expr;
    k.expr = folded;
  }
  return changed;
}

arrow::Result<PlanPtr> fold_plan(const PlanPtr& p) {
  if (p->inputs.empty()) return p;
  const arrow::Schema& input = *p->inputs[0]->schema;
  auto out = copy_node(*p);
  bool changed = fold_all(out->exprs, input);
  changed |= fold_all(out->aggregates, input);
  changed |= fold_sort(out->sort, input);
  if (p->kind == PlanKind::kJoin) {
    changed |= fold_all(out->left_keys, input);
    changed |= fold_all(out->right_keys, *p->inputs[1]->schema);
    if (p->residual) out->residual = fold(p->residual, *pair_schema(input, *p->inputs[1]->schema));
    changed |= out->residual != p->residual;
  }
  if (p->kind == PlanKind::kFilter) {
    out->predicate = fold(p->predicate, input);
    if (is_bool_literal(out->predicate, true)) return p->inputs[0];
    changed |= out->predicate != p->predicate;
  }
  if (!changed) return p;
  // An output that became a plain column may show another field than a computed one: then all stays as it was.
  ARROW_ASSIGN_OR_RAISE(PlanPtr rebuilt, with_inputs(*out, out->inputs));
  return rebuilt->schema->Equals(*p->schema) ? rebuilt : p;
}

}  // namespace

arrow::Result<PlanPtr> fold_constants(const PlanPtr& plan) { return rewrite_bottom_up(plan, fold_plan); }

}  // namespace gristmill::plan
