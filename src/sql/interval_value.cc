// An interval is three numbers, each an expression; multiplying multiplies all of them.

#include "sql/interval_value.h"

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "sql/interval.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;

std::string_view operator_of(const PgQuery__Node& n) {
  if (n.node_case != PG_QUERY__NODE__NODE_A_EXPR || n.a_expr->kind != PG_QUERY__A__EXPR__KIND__AEXPR_OP || n.a_expr->n_name != 1) return "";
  return n.a_expr->name[0]->string->sval;
}

bool is_constant(const PgQuery__Node& n) {
  if (n.node_case != PG_QUERY__NODE__NODE_TYPE_CAST) return false;
  const PgQuery__TypeName& t = *n.type_cast->type_name;
  return t.n_names > 0 && t.names[t.n_names - 1]->node_case == PG_QUERY__NODE__NODE_STRING &&
         std::string_view(t.names[t.n_names - 1]->string->sval) == "interval";
}

NodePtr part(int64_t v) { return v == 0 ? nullptr : expr::literal(v); }

template <typename F>
IntervalValue each(const IntervalValue& a, F&& f) {
  return {a.months ? f(a.months) : nullptr, a.days ? f(a.days) : nullptr, a.micros ? f(a.micros) : nullptr};
}

NodePtr sum(const NodePtr& a, const NodePtr& b) {
  if (!a || !b) return a ? a : b;
  return expr::call("add", {a, b});
}

IntervalValue negated(const IntervalValue& v) {
  return each(v, [](const NodePtr& x) { return expr::call("neg", {x}); });
}

}  // namespace

bool is_interval_expression(const PgQuery__Node* n) {
  if (!n) return false;
  if (is_constant(*n)) return true;
  const std::string_view op = operator_of(*n);
  const PgQuery__Node *l = op.empty() ? nullptr : n->a_expr->lexpr, *r = op.empty() ? nullptr : n->a_expr->rexpr;
  if (op == "*") return is_interval_expression(l) != is_interval_expression(r);
  if (op == "-" && !l) return is_interval_expression(r);
  if (op == "+" || op == "-") return is_interval_expression(l) && is_interval_expression(r);
  return false;
}

arrow::Result<IntervalValue> interval_value(const PgQuery__Node& n, const LowerNumber& lower, const ParsedText& text) {
  if (is_constant(n)) {
    ARROW_ASSIGN_OR_RAISE(const Interval i, interval_of(*n.type_cast, text));
    return IntervalValue{part(i.months), part(i.days), part(i.micros)};
  }
  const PgQuery__AExpr& e = *n.a_expr;
  const std::string_view op = operator_of(n);
  if (op == "*") {
    const bool left = is_interval_expression(e.lexpr);
    ARROW_ASSIGN_OR_RAISE(const IntervalValue v, interval_value(left ? *e.lexpr : *e.rexpr, lower, text));
    ARROW_ASSIGN_OR_RAISE(const NodePtr times, lower(left ? *e.rexpr : *e.lexpr));
    return each(v, [&](const NodePtr& x) {
      // 1 * n is n, so that a number of months or days keeps its type.
      const bool one = x->kind == expr::NodeKind::kLiteral && x->value->type->id() == arrow::Type::INT64 &&
                       static_cast<const arrow::Int64Scalar&>(*x->value).value == 1;
      return one ? times : expr::call("mul", {times, x});
    });
  }
  ARROW_ASSIGN_OR_RAISE(IntervalValue right, interval_value(*e.rexpr, lower, text));
  if (op == "-") right = negated(right);
  if (!e.lexpr) return right;
  ARROW_ASSIGN_OR_RAISE(const IntervalValue left, interval_value(*e.lexpr, lower, text));
  return IntervalValue{sum(left.months, right.months), sum(left.days, right.days), sum(left.micros, right.micros)};
}

NodePtr moved(NodePtr moment, const IntervalValue& by, bool back) {
  const IntervalValue v = back ? negated(by) : by;
  const auto add = [&](const NodePtr& amount, const char* unit) {
    if (amount) moment = expr::call("dt.add", {moment, amount, expr::literal(std::string_view(unit))});
  };
  add(v.months, "month");
  add(v.days, "day");
  add(v.micros, "microsecond");
  return moment;
}

arrow::Result<NodePtr> as_duration(const IntervalValue& v, const ParsedText& text, int location) {
  if (v.months) {
    return text.error("an interval of months or years is no length of time; it can be added to a date or timestamp", location);
  }
  NodePtr micros = v.micros;
  if (v.days) micros = sum(expr::call("mul", {v.days, expr::literal(int64_t{86400} * 1000000)}), micros);
  if (!micros) micros = expr::literal(int64_t{0});
  return expr::cast(expr::cast(micros, arrow::int64()), arrow::duration(arrow::TimeUnit::MICRO));
}

}  // namespace gristmill::sqltext
