// Placeholders: what a subquery uses of the query around it is found by lowering it twice, alone and, if that fails, beside all of that
// query's columns. What it is in the end is lowered when the placeholder is resolved.

#include "sql/subquery.h"

#include <algorithm>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "expr/window.h"
#include "plan/expressions.h"
#include "plan/nodes.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;
using plan::PlanPtr;

constexpr const char* kPlaceholder = "$subquery";

bool is_placeholder(const expr::Node& e) { return e.kind == expr::NodeKind::kCall && e.name == kPlaceholder; }

int number_of(const expr::Node& e) { return static_cast<int>(static_cast<const arrow::Int64Scalar&>(*e.options[0].value).value); }

// The values of columns of the plan around, under the names they have inside.
arrow::Result<PlanPtr> values_of(const PlanPtr& outside, const OuterScope& names, const std::vector<std::string>& columns,
                                 const std::vector<NodePtr>& values) {
  std::vector<NodePtr> outputs;
  for (size_t i = 0; i < columns.size(); ++i) outputs.push_back(expr::alias(values[i], names.inner_name(columns[i])));
  return plan::make_project(outside, std::move(outputs));
}

// Every column of the plan around: enough to find out which are used.
arrow::Result<PlanPtr> all_values(const PlanPtr& outside, const OuterScope& names) {
  std::vector<NodePtr> columns;
  for (const auto& f : outside->schema->fields()) columns.push_back(expr::column(f->name()));
  return values_of(outside, names, outside->schema->field_names(), columns);
}

std::string operator_text(const PgQuery__SubLink& link) {
  if (link.n_oper_name == 0) return "=";
  return link.oper_name[link.n_oper_name - 1]->string->sval;
}

Dependence::Want want_of(const PgQuery__SubLink& link) {
  switch (link.sub_link_type) {
    case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK: return Dependence::Want::kExists;
    case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK: return Dependence::Want::kValue;
    default: return Dependence::Want::kRows;
  }
}

PlannedSubquery planned(const Dependence& how, Query query) {
  PlannedSubquery out;
  out.null_safe = how.null_safe;
  out.at_most_one = how.at_most_one || how.exactly_one;
  out.exactly_one = how.exactly_one;
  out.empty = how.empty;
  for (const auto& f : query.plan->schema->fields()) {
    if (how.handed_up ? f->name().starts_with("$v") : !how.is_outer(f->name())) out.values.push_back(f->name());
  }
  out.plan = std::move(query.plan);
  out.names = std::move(query.names);
  return out;
}

}  // namespace

std::string subquery_name(const PgQuery__SubLink& link) {
  if (link.sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK) return "exists";
  if (link.sub_link_type == PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK) return "array";
  if (link.sub_link_type != PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK || !link.subselect ||
      link.subselect->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
    return "?column?";
  const PgQuery__SelectStmt* s = link.subselect->select_stmt;
  while (s->op != PG_QUERY__SET_OPERATION__SETOP_NONE) s = s->larg;
  if (s->n_target_list != 1) return "?column?";
  const PgQuery__ResTarget& t = *s->target_list[0]->res_target;
  return t.name && *t.name ? t.name : ExpressionLowering::output_name(*t.val);
}

bool contains_subquery(const expr::Node& e) {
  if (is_placeholder(e)) return true;
  return std::any_of(e.args.begin(), e.args.end(), [](const NodePtr& a) { return contains_subquery(*a); }) ||
         (e.filter && contains_subquery(*e.filter));
}

std::vector<std::string> subquery_columns(const expr::Node& e) {
  std::vector<std::string> out;
  if (is_placeholder(e)) {
    expr::collect_columns(e, out);
    return out;
  }
  for (const NodePtr& a : e.args) {
    for (std::string& c : subquery_columns(*a)) out.push_back(std::move(c));
  }
  return out;
}

arrow::Result<NodePtr> Subqueries::placeholder(const PgQuery__SubLink& link, const ExpressionLowering& at, const Scope& scope,
                                               const PlanPtr& names) {
  switch (link.sub_link_type) {
    case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK:
    case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK:
    case PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK:
    case PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK: break;
    case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK: return text_.error("ARRAY(subquery) is not supported yet", link.location);
    case PG_QUERY__SUB_LINK_TYPE__ROWCOMPARE_SUBLINK:
      return text_.error("comparing a row with a subquery is not supported yet, except with IN", link.location);
    default: return text_.error("this kind of subquery is not supported", link.location);
  }
  if (link.subselect->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) return text_.error("a subquery must be a SELECT", link.location);
  const PgQuery__SelectStmt& select = *link.subselect->select_stmt;
  auto r = std::make_unique<Record>();
  r->link = &link;
  r->number = text_.next_number();
  r->scope = scope;
  r->op = operator_text(link);
  std::vector<NodePtr> tests;
  if (link.testexpr) {
    const bool row = link.testexpr->node_case == PG_QUERY__NODE__NODE_ROW_EXPR;
    for (size_t i = 0; i < (row ? link.testexpr->row_expr->n_args : 1); ++i) {
      ARROW_ASSIGN_OR_RAISE(NodePtr test, at.lower(row ? *link.testexpr->row_expr->args[i] : *link.testexpr));
      tests.push_back(std::move(test));
    }
  }
  Dependence alone;
  alone.want = want_of(link);
  alone.number = r->number;
  alone.rename = true;
  auto plan = lower_(select, alone);
  std::vector<NodePtr> args;
  size_t outputs = 0;
  if (plan.ok()) {
    r->alone = planned(alone, *plan);
    outputs = r->alone.values.size();
  } else {
    OuterScope outer(scope, r->number);
    Dependence dry = alone;
    dry.outer = &outer;
    dry.keep_domain = true;
    ARROW_ASSIGN_OR_RAISE(dry.domain, all_values(names, outer));
    ARROW_ASSIGN_OR_RAISE(const Query tried, lower_(select, dry));
    if (outer.used().empty()) return plan.status();
    r->used = outer.used();
    outputs = planned(dry, tried).values.size();
    for (const std::string& c : r->used) args.push_back(expr::column(c));
  }
  ARROW_RETURN_NOT_OK(check_width(*r, tests.size(), outputs));
  args.insert(args.end(), tests.begin(), tests.end());
  const int number = r->number;
  records_.push_back(std::move(r));
  return expr::call(kPlaceholder, std::move(args), {{"number", std::make_shared<arrow::Int64Scalar>(number)}});
}

arrow::Status Subqueries::check_width(const Record& r, size_t tests, size_t outputs) const {
  const int at = r.link->location;
  if (r.link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK && outputs != 1)
    return text_.error("subquery must return only one column", at);
  if (tests > 0 && outputs != tests)
    return text_.error(outputs > tests ? "subquery has too many columns" : "subquery has too few columns", at);
  const bool equality = r.op == "=" || r.op == "<>";
  if (tests > 1 && !equality) return text_.error("operator " + r.op + " between a row and a subquery is not supported yet", at);
  if (tests == 1 && !equality && r.op != "<" && r.op != "<=" && r.op != ">" && r.op != ">=")
    return text_.error("operator " + r.op + " with ANY or ALL of a subquery is not supported yet", at);
  return arrow::Status::OK();
}

const Subqueries::Record* Subqueries::record_of(const expr::Node& e) const {
  const int number = number_of(e);
  for (const auto& r : records_) {
    if (r->number == number) return r.get();
  }
  return nullptr;
}

arrow::Result<PlannedSubquery> Subqueries::correlated(const PgQuery__SelectStmt& select, const Scope& scope,
                                                      const std::vector<std::string>& used, const std::vector<NodePtr>& args,
                                                      const PlanPtr& outside, Dependence& how) const {
  OuterScope outer(scope, how.number);
  how.outer = &outer;
  ARROW_ASSIGN_OR_RAISE(const PlanPtr values, values_of(outside, outer, used, args));
  ARROW_ASSIGN_OR_RAISE(how.domain, plan::make_distinct(values));
  ARROW_ASSIGN_OR_RAISE(Query query, lower_(select, how));
  PlannedSubquery out = planned(how, std::move(query));
  plan::Substitution values_outside;
  for (size_t i = 0; i < used.size(); ++i) values_outside.emplace(outer.inner_name(used[i]), args[i]);
  if (out.empty) out.empty = plan::substitute(out.empty, values_outside);
  if (how.handed_up) {
    for (const auto& k : how.keys) out.keys.push_back({plan::substitute(k.outer, values_outside), k.inner});
    for (const auto& c : how.conditions) out.conditions.push_back(plan::substitute(c, values_outside));
  } else {
    for (size_t i = 0; i < used.size(); ++i) out.keys.push_back({args[i], expr::column(outer.inner_name(used[i]))});
  }
  how.outer = nullptr;
  return out;
}

arrow::Result<PlannedSubquery> Subqueries::plan_of(const Record& r, const PlanPtr& outside, const std::vector<NodePtr>& args,
                                                   bool may_hand_up) const {
  if (r.alone.plan) return r.alone;
  Dependence how;
  how.want = want_of(*r.link);
  how.number = r.number;
  how.rename = true;
  how.may_hand_up = may_hand_up;
  return correlated(*r.link->subselect->select_stmt, r.scope, r.used, args, outside, how);
}

arrow::Result<NodePtr> Subqueries::resolve(PlanPtr& plan, const NodePtr& e, bool truth) {
  if (!contains_subquery(*e)) return e;
  if (is_placeholder(*e)) {
    if (const auto known = resolved_.find(number_of(*e)); known != resolved_.end()) return known->second;
  }
  const bool junction = e->kind == expr::NodeKind::kCall && (e->name == "and" || e->name == "or");
  auto copy = std::make_shared<expr::Node>(*e);
  for (NodePtr& a : copy->args) {
    ARROW_ASSIGN_OR_RAISE(a, resolve(plan, a, truth && junction));
  }
  if (copy->filter) {
    ARROW_ASSIGN_OR_RAISE(copy->filter, resolve(plan, copy->filter, true));
  }
  if (!is_placeholder(*e)) return copy;
  for (const NodePtr& a : copy->args) {
    if (expr::contains_window(*a))
      return text_.error("a subquery that depends on a window function is not supported yet", record_of(*e)->link->location);
  }
  ARROW_ASSIGN_OR_RAISE(NodePtr v, value(plan, *copy, truth));
  resolved_.emplace(number_of(*e), v);
  return v;
}

NodePtr Subqueries::resolved(const NodePtr& e) const {
  return expr::rewrite(e, [&](const NodePtr& n) {
    if (!is_placeholder(*n)) return n;
    const auto known = resolved_.find(number_of(*n));
    return known == resolved_.end() ? n : known->second;
  });
}

arrow::Result<NodePtr> Subqueries::resolve_inside_aggregates(PlanPtr& plan, const NodePtr& e) {
  if (!contains_subquery(*e)) return e;
  if (e->kind == expr::NodeKind::kAggregate) return resolve(plan, e);
  auto copy = std::make_shared<expr::Node>(*e);
  for (NodePtr& a : copy->args) {
    ARROW_ASSIGN_OR_RAISE(a, resolve_inside_aggregates(plan, a));
  }
  if (copy->filter) {
    ARROW_ASSIGN_OR_RAISE(copy->filter, resolve_inside_aggregates(plan, copy->filter));
  }
  return copy;
}

arrow::Result<NodePtr> Subqueries::value(PlanPtr& plan, const expr::Node& holder, bool truth) {
  const Record& r = *record_of(holder);
  switch (r.link->sub_link_type) {
    case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK: return exists_value(plan, r, holder);
    case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK: return scalar_value(plan, r, holder);
    case PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK:
      if (r.op == "=") return in_value(plan, r, holder, truth);
      return quantified_value(plan, r, holder);
    default:
      if (r.op != "<>") return quantified_value(plan, r, holder);
      ARROW_ASSIGN_OR_RAISE(NodePtr in, in_value(plan, r, holder, false));
      return expr::call("not", {std::move(in)});
  }
}

arrow::Result<PlanPtr> Subqueries::filter(PlanPtr plan, const NodePtr& condition) {
  if (!contains_subquery(*condition)) return plan::make_filter(std::move(plan), condition);
  const bool not_it = condition->kind == expr::NodeKind::kCall && condition->name == "not";
  const expr::Node& inner = not_it ? *condition->args[0] : *condition;
  const bool nested = std::any_of(inner.args.begin(), inner.args.end(), [](const NodePtr& a) { return contains_subquery(*a); });
  if (is_placeholder(inner) && !nested && !resolved_.contains(number_of(inner))) {
    const Record& r = *record_of(inner);
    const auto kind = r.link->sub_link_type;
    if (kind == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK && !r.used.empty()) return filter_exists(std::move(plan), r, inner, not_it);
    if (kind == PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK && r.op == "=") return filter_in(std::move(plan), r, inner, not_it);
    if (kind == PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK && r.op == "<>") return filter_in(std::move(plan), r, inner, !not_it);
  }
  ARROW_ASSIGN_OR_RAISE(NodePtr predicate, resolve(plan, condition, true));
  return plan::make_filter(std::move(plan), std::move(predicate));
}

arrow::Result<PlannedSubquery> Subqueries::lateral(const PgQuery__SelectStmt& select, const Scope& scope,
                                                   const std::vector<PlanPtr>& sources) {
  Dependence alone;
  alone.number = text_.next_number();
  auto plan = lower_(select, alone);
  if (plan.ok()) return planned(alone, *plan);
  OuterScope outer(scope, alone.number);
  Dependence dry = alone;
  dry.outer = &outer;
  dry.keep_domain = true;
  ARROW_ASSIGN_OR_RAISE(dry.domain, all_values(sources.back(), outer));
  ARROW_RETURN_NOT_OK(lower_(select, dry).status());
  if (outer.used().empty()) return plan.status();
  std::vector<NodePtr> args;
  for (const std::string& c : outer.used()) args.push_back(expr::column(c));
  for (const PlanPtr& source : sources) {
    const auto has = [&](const std::string& c) { return source->schema->GetFieldIndex(c) >= 0; };
    if (!std::all_of(outer.used().begin(), outer.used().end(), has)) continue;
    Dependence how = alone;
    return correlated(select, scope, outer.used(), args, source, how);
  }
  return base::plan_error("a lateral subquery that refers to two queries around it is not supported yet");
}

}  // namespace gristmill::sqltext
