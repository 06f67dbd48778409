// Subqueries become joins.
//
//   where exists (...)           semi join             exists (...)           left join with the distinct keys, whether it met one
//   where x in (...)             semi join             x in (...)             the same with x; for NULL also how many rows, how many NULLs
//   where x not in (...)         anti join, and those counts
//   (select ...)                 left join; of more than one row an error where a row outside meets them
//   x < all (...)                left join with least, greatest and those counts
//
// Without keys, when nothing outside is used, the right side is one row and the join a cross join. Rows outside, and their order, stay.

#include <algorithm>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "plan/nodes.h"
#include "sql/subquery.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;
using plan::PlanPtr;

NodePtr call(const char* name, std::vector<NodePtr> args) { return expr::call(name, std::move(args)); }
NodePtr count_all() { return expr::aggregate("count", {}); }
NodePtr count_of(NodePtr x) { return expr::aggregate("count", {std::move(x)}); }

std::vector<NodePtr> tests_of(const expr::Node& holder, size_t used) {
  return {holder.args.begin() + static_cast<std::ptrdiff_t>(used), holder.args.end()};
}

// The right side of a join, its keys under names of their own.
class RightSide {
 public:
  RightSide(const PlannedSubquery& p, int number) : prefix_("$s" + std::to_string(number) + "."), null_safe_(p.null_safe) {
    for (const auto& k : p.keys) add_key(k.outer, k.inner);
  }

  void add_key(NodePtr outer, NodePtr inner) {
    outer_.push_back(std::move(outer));
    keys_.push_back(expr::alias(std::move(inner), prefix_ + "k" + std::to_string(keys_.size())));
  }
  std::string name(const char* what) const { return prefix_ + what; }
  NodePtr column(const char* what) const { return expr::column(name(what)); }

  // One row for every key that there is.
  arrow::Result<PlanPtr> distinct(PlanPtr from) const {
    ARROW_ASSIGN_OR_RAISE(PlanPtr p, plan::make_project(std::move(from), keys_));
    ARROW_ASSIGN_OR_RAISE(p, plan::make_distinct(std::move(p)));
    return plan::make_with_columns(std::move(p), {expr::alias(expr::literal(true), name("there"))});
  }
  arrow::Result<PlanPtr> aggregated(PlanPtr from, std::vector<NodePtr> aggregates) const {
    return plan::make_aggregate(std::move(from), keys_, std::move(aggregates));
  }
  arrow::Result<PlanPtr> projected(PlanPtr from, std::vector<NodePtr> outputs) const {
    outputs.insert(outputs.begin(), keys_.begin(), keys_.end());
    return plan::make_project(std::move(from), std::move(outputs));
  }
  // `left` beside the one row of `right` with its keys, or beside NULLs.
  arrow::Result<PlanPtr> attach(PlanPtr left, PlanPtr right) const {
    if (keys_.empty()) return plan::make_cross_join(std::move(left), std::move(right));
    std::vector<NodePtr> inner;
    for (const NodePtr& k : keys_) inner.push_back(expr::column(k->name));
    return plan::make_join(std::move(left), std::move(right), plan::JoinKind::kLeft, outer_, std::move(inner), false, null_safe_);
  }

 private:
  std::string prefix_;
  bool null_safe_;
  std::vector<NodePtr> outer_, keys_;
};

bool may_be_null(const plan::Plan& p, const NodePtr& e) {
  if (e->kind == expr::NodeKind::kLiteral) return !e->value || e->value->type->id() == arrow::Type::NA;
  if (e->kind != expr::NodeKind::kColumn) return true;
  const auto f = p.schema->GetFieldByName(e->name);
  return !f || f->nullable();
}

// Rows that cannot be equal to anything: needed where the keys beside let NULL meet NULL.
arrow::Result<PlanPtr> without_nulls(PlanPtr p, const std::vector<std::string>& columns) {
  for (const std::string& c : columns) {
    if (!may_be_null(*p, expr::column(c))) continue;
    ARROW_ASSIGN_OR_RAISE(p, plan::make_filter(std::move(p), call("is_not_null", {expr::column(c)})));
  }
  return p;
}

struct Keys {
  std::vector<NodePtr> outer, inner;
  explicit Keys(const PlannedSubquery& p) {
    for (const auto& k : p.keys) {
      outer.push_back(k.outer);
      inner.push_back(k.inner);
    }
  }
};

NodePtr zero_if_null(NodePtr x) { return call("coalesce", {std::move(x), expr::literal(int64_t{0})}); }

}  // namespace

arrow::Result<PlanPtr> Subqueries::filter_exists(PlanPtr plan, const Record& r, const expr::Node& holder, bool negated) {
  ARROW_ASSIGN_OR_RAISE(const PlannedSubquery p, plan_of(r, plan, holder.args, true));
  const Keys keys(p);
  NodePtr condition = expr::conjunction(p.conditions);
  if (keys.outer.empty() && !condition) condition = expr::literal(true);  // only what it selects depends on the row
  return plan::make_join(std::move(plan), p.plan, negated ? plan::JoinKind::kAnti : plan::JoinKind::kSemi, keys.outer, keys.inner, false,
                         p.null_safe, "_right", std::move(condition));
}

arrow::Result<PlanPtr> Subqueries::filter_in(PlanPtr plan, const Record& r, const expr::Node& holder, bool negated) {
  ARROW_ASSIGN_OR_RAISE(PlannedSubquery p, plan_of(r, plan, holder.args, !negated));
  const std::vector<NodePtr> tests = tests_of(holder, r.used.size());
  Keys keys(p);
  if (negated && tests.size() > 1) {
    // A row that is unknown to be equal keeps the row outside away, too.
    NodePtr equal;
    for (size_t i = 0; i < tests.size(); ++i) {
      NodePtr one = call("eq", {tests[i], expr::column(p.values[i])});
      equal = equal ? call("and", {equal, one}) : one;
    }
    return plan::make_join(std::move(plan), p.plan, plan::JoinKind::kAnti, keys.outer, keys.inner, false, p.null_safe, "_right",
                           call("coalesce", {equal, expr::literal(true)}));
  }
  PlanPtr right = p.plan;
  if (p.null_safe) {
    ARROW_ASSIGN_OR_RAISE(right, without_nulls(right, p.values));
  }
  const bool unknown = negated && (may_be_null(*plan, tests[0]) || may_be_null(*p.plan, expr::column(p.values[0])));
  for (size_t i = 0; i < tests.size(); ++i) {
    keys.outer.push_back(tests[i]);
    keys.inner.push_back(expr::column(p.values[i]));
  }
  ARROW_ASSIGN_OR_RAISE(plan, plan::make_join(std::move(plan), right, negated ? plan::JoinKind::kAnti : plan::JoinKind::kSemi, keys.outer,
                                              keys.inner, false, p.null_safe, "_right", expr::conjunction(p.conditions)));
  if (!unknown) return plan;
  const RightSide counts(p, text_.next_number());
  ARROW_ASSIGN_OR_RAISE(right, counts.aggregated(p.plan, {expr::alias(count_all(), counts.name("rows")),
                                                          expr::alias(count_of(expr::column(p.values[0])), counts.name("values"))}));
  ARROW_ASSIGN_OR_RAISE(plan, counts.attach(std::move(plan), std::move(right)));
  const NodePtr none = call("eq", {zero_if_null(counts.column("rows")), expr::literal(int64_t{0})});
  const NodePtr known = call("and", {call("is_not_null", {tests[0]}), call("eq", {counts.column("rows"), counts.column("values")})});
  return plan::make_filter(std::move(plan), call("or", {none, known}));
}

arrow::Result<NodePtr> Subqueries::exists_value(PlanPtr& plan, const Record& r, const expr::Node& holder) {
  ARROW_ASSIGN_OR_RAISE(const PlannedSubquery p, plan_of(r, plan, holder.args, false));
  const RightSide side(p, text_.next_number());
  if (p.keys.empty()) {
    ARROW_ASSIGN_OR_RAISE(PlanPtr first, plan::make_limit(p.plan, 0, 1));
    ARROW_ASSIGN_OR_RAISE(first, side.aggregated(std::move(first), {expr::alias(count_all(), side.name("rows"))}));
    ARROW_ASSIGN_OR_RAISE(plan, side.attach(std::move(plan), std::move(first)));
    return call("gt", {side.column("rows"), expr::literal(int64_t{0})});
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr right, side.distinct(p.plan));
  ARROW_ASSIGN_OR_RAISE(plan, side.attach(std::move(plan), std::move(right)));
  return call("is_not_null", {side.column("there")});
}

arrow::Result<NodePtr> Subqueries::scalar_value(PlanPtr& plan, const Record& r, const expr::Node& holder) {
  ARROW_ASSIGN_OR_RAISE(const PlannedSubquery p, plan_of(r, plan, holder.args, false));
  const RightSide side(p, text_.next_number());
  const NodePtr v = side.column("value");
  PlanPtr right;
  if (p.keys.empty() ? p.exactly_one : p.at_most_one) {
    std::vector<NodePtr> outputs{expr::alias(expr::column(p.values[0]), side.name("value"))};
    if (p.empty) outputs.push_back(expr::alias(expr::literal(true), side.name("there")));
    ARROW_ASSIGN_OR_RAISE(right, side.projected(p.plan, std::move(outputs)));
  } else {
    std::vector<NodePtr> outputs{expr::alias(expr::aggregate("first", {expr::column(p.values[0])}), side.name("value"))};
    if (!p.at_most_one) outputs.push_back(expr::alias(count_all(), side.name("rows")));
    ARROW_ASSIGN_OR_RAISE(right, side.aggregated(p.plan, std::move(outputs)));
  }
  ARROW_ASSIGN_OR_RAISE(plan, side.attach(std::move(plan), std::move(right)));
  if (!p.at_most_one) return call("case", {call("sql_only_row", {side.column("rows")}), v});
  if (p.empty && !p.keys.empty()) return call("case", {call("is_not_null", {side.column("there")}), v, p.empty});
  return v;
}

arrow::Result<NodePtr> Subqueries::in_value(PlanPtr& plan, const Record& r, const expr::Node& holder, bool truth) {
  ARROW_ASSIGN_OR_RAISE(const PlannedSubquery p, plan_of(r, plan, holder.args, false));
  const std::vector<NodePtr> tests = tests_of(holder, r.used.size());
  RightSide match(p, text_.next_number());
  for (size_t i = 0; i < tests.size(); ++i) match.add_key(tests[i], expr::column(p.values[i]));
  const bool unknown = !truth && (tests.size() > 1 || may_be_null(*plan, tests[0]) || may_be_null(*p.plan, expr::column(p.values[0])));
  if (unknown && tests.size() > 1)
    return text_.error("a row with IN of a subquery is not supported yet where NULL and false differ", r.link->location);
  ARROW_ASSIGN_OR_RAISE(PlanPtr right, without_nulls(p.plan, p.values));
  ARROW_ASSIGN_OR_RAISE(right, match.distinct(std::move(right)));
  ARROW_ASSIGN_OR_RAISE(plan, match.attach(std::move(plan), std::move(right)));
  const NodePtr there = call("is_not_null", {match.column("there")});
  if (!unknown) return there;
  const RightSide counts(p, text_.next_number());
  ARROW_ASSIGN_OR_RAISE(right, counts.aggregated(p.plan, {expr::alias(count_all(), counts.name("rows")),
                                                          expr::alias(count_of(expr::column(p.values[0])), counts.name("values"))}));
  ARROW_ASSIGN_OR_RAISE(plan, counts.attach(std::move(plan), std::move(right)));
  const NodePtr none = call("eq", {zero_if_null(counts.column("rows")), expr::literal(int64_t{0})});
  const NodePtr open = call("or", {call("is_null", {tests[0]}), call("lt", {counts.column("values"), counts.column("rows")})});
  return call("case", {there, expr::literal(true), none, expr::literal(false), open, expr::null_literal(), expr::literal(false)});
}

// ANY of nothing is false, ALL of nothing true; a NULL on either side leaves open what no value decides.
arrow::Result<NodePtr> Subqueries::quantified_value(PlanPtr& plan, const Record& r, const expr::Node& holder) {
  ARROW_ASSIGN_OR_RAISE(const PlannedSubquery p, plan_of(r, plan, holder.args, false));
  const bool any = r.link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK;
  const NodePtr x = tests_of(holder, r.used.size())[0], y = expr::column(p.values[0]);
  const RightSide side(p, text_.next_number());
  ARROW_ASSIGN_OR_RAISE(PlanPtr right,
                        side.aggregated(p.plan, {expr::alias(count_all(), side.name("rows")), expr::alias(count_of(y), side.name("values")),
                                                 expr::alias(expr::aggregate("min", {y}), side.name("least")),
                                                 expr::alias(expr::aggregate("max", {y}), side.name("greatest"))}));
  ARROW_ASSIGN_OR_RAISE(plan, side.attach(std::move(plan), std::move(right)));
  const NodePtr least = side.column("least"), greatest = side.column("greatest");
  NodePtr decided;  // some value (ANY), or every value (ALL) that is not NULL
  if (r.op == "=") decided = call("and", {call("eq", {x, least}), call("eq", {x, greatest})});
  if (r.op == "<>") decided = call("or", {call("ne", {x, least}), call("ne", {x, greatest})});
  const bool less = r.op[0] == '<';
  const char* name = r.op == "<" ? "lt" : r.op == "<=" ? "le" : r.op == ">" ? "gt" : "ge";
  if (!decided) decided = call(name, {x, less == any ? greatest : least});
  const NodePtr none = call("eq", {zero_if_null(side.column("rows")), expr::literal(int64_t{0})});
  const NodePtr open = call("or", {call("is_null", {x}), call("lt", {side.column("values"), side.column("rows")})});
  if (any)
    return call("case", {none, expr::literal(false), decided, expr::literal(true), open, expr::null_literal(), expr::literal(false)});
  return call("case",
              {none, expr::literal(true), call("not", {decided}), expr::literal(false), open, expr::null_literal(), expr::literal(true)});
}

}  // namespace gristmill::sqltext
