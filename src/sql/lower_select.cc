// SELECT in the order it means: from, where, group by and aggregates, having, order by, select list, distinct, limit.
//
// Expressions are lowered over the scope of FROM; with grouping, aggregates and keys in them become columns of the
// aggregate's output. ORDER BY runs below the select list (it may use columns that are not selected) unless DISTINCT
// stands between.

#include "sql/lower_select.h"

#include <algorithm>
#include <utility>

#include <arrow/type.h>
#include <arrow/type_traits.h>

#include "base/status.h"
#include "column/types.h"
#include "expr/window.h"
#include "plan/nodes.h"
#include "sql/dependent.h"
#include "sql/distinct_on.h"
#include "sql/event_windows.h"
#include "sql/from.h"
#include "sql/from_where.h"
#include "sql/group_windows.h"
#include "sql/grouped_names.h"
#include "sql/grouping_sets.h"
#include "sql/limit.h"
#include "sql/lower_expr.h"
#include "sql/select_list.h"
#include "sql/select_parts.h"
#include "sql/select_unnest.h"
#include "sql/set_operations.h"
#include "sql/subquery.h"
#include "sql/values.h"
#include "sql/window.h"
#include "sql/with_clause.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;
using plan::PlanPtr;

class SelectLowering {
 public:
  SelectLowering(const ParsedText& text, const TableLookup& tables)
      : text_(text),
        tables_(tables),
        subqueries_(text, [this](const PgQuery__SelectStmt& s, Dependence& d) { return lower_dependent(s, d); }) {}

  arrow::Result<Query> lower(const PgQuery__SelectStmt& s) {
    Dependence* const d = std::exchange(dependence_, nullptr);
    ARROW_RETURN_NOT_OK(refuse(s));
    if (s.with_clause && !with_is_known_) {
      const LowerQuery inner = [this](const PgQuery__SelectStmt& q, const TableLookup& tables) {
        return SelectLowering(text_, tables).lower(q);
      };
      ARROW_ASSIGN_OR_RAISE(const TableLookup tables, with_tables(*s.with_clause, text_, tables_, inner));
      SelectLowering within(text_, tables);
      within.with_is_known_ = true;
      within.dependence_ = d;
      return within.lower(s);
    }
    with_is_known_ = false;
    if (s.op != PG_QUERY__SET_OPERATION__SETOP_NONE) return lower_set_operation(s, d);
    if (s.n_values_lists > 0) return values(s, d);
    FromLowering from(text_, tables_, [this, d](const PgQuery__SelectStmt& inner) { return derived(inner, d); }, subqueries_, d);
    ARROW_ASSIGN_OR_RAISE(FromItems input, from.lower(s.from_clause, s.n_from_clause));
    ARROW_RETURN_NOT_OK(add_group_windows(s, input, text_));
    ARROW_ASSIGN_OR_RAISE(const NamedWindows windows, named_windows(s, text_));
    ARROW_ASSIGN_OR_RAISE(SelectLevel level, level_of(input, d));
    input.scope.subqueries = &level;
    input.scope.outer = d ? d->outer : nullptr;
    ExpressionLowering expressions(text_, input.scope, &windows);
    ARROW_ASSIGN_OR_RAISE(std::vector<NodePtr> where, conditions(s, input, expressions));
    Scope listed = input.scope;
    listed.in_select_list = true;
    ARROW_ASSIGN_OR_RAISE(std::vector<Output> outputs, select_list(s, listed, ExpressionLowering(text_, listed, &windows), text_));
    ARROW_RETURN_NOT_OK(check_unnest(outputs, text_));
    const bool unnests = any_unnest(outputs);
    if (unnests && d && d->outer)
      return text_.error("unnest in the select list of a subquery that refers to the query around it is not supported; use it in FROM", -1);
    ARROW_ASSIGN_OR_RAISE(std::vector<OrderItem> order, order_items(s, outputs, expressions, text_));
    NodePtr qualify;
    if (const PgQuery__Node* n = having_clause(s).qualify) {
      ARROW_ASSIGN_OR_RAISE(qualify, lower_with_outputs(*n, input.scope, outputs, windows));
      if (!expr::contains_window(*qualify)) return text_.error("QUALIFY needs a window function; use WHERE or HAVING", -1);
      if (contains_unnest(*qualify)) return text_.error("QUALIFY is before unnest; filter a subquery", -1);
    }
    const bool plain = d && is_plain(s, outputs, *d);
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, from_where(std::move(input.items), std::move(where), plain, values_of(outputs, d), d, subqueries_));
    if (d && d->handed_up) return query_over(std::move(plan));
    if (d) carry(*plan, outputs, *d);
    ARROW_ASSIGN_OR_RAISE(plan, grouped(s, std::move(plan), outputs, order, qualify, expressions, d));
    const std::vector<NodePtr*> inside = expressions_of(outputs, order, qualify);
    for (NodePtr* e : inside) {
      ARROW_ASSIGN_OR_RAISE(*e, subqueries_.resolve(plan, *e));
      *e = partition_windows(*e, carried(outputs, d));
    }
    ARROW_ASSIGN_OR_RAISE(plan, plan::add_windows(std::move(plan), inside));
    if (qualify) {
      ARROW_ASSIGN_OR_RAISE(plan, plan::make_filter(plan, std::move(qualify)));
    }
    if (unnests) {
      if (d) d->at_most_one = d->exactly_one = false;
      ARROW_ASSIGN_OR_RAISE(plan, unnest_outputs(std::move(plan), outputs));
    }
    return finish(s, std::move(plan), outputs, order, expressions, d);
  }

 private:
  // All that is computed above FROM and WHERE.
  static std::vector<NodePtr*> expressions_of(std::vector<Output>& outputs, std::vector<OrderItem>& order, NodePtr& qualify) {
    std::vector<NodePtr*> out;
    if (qualify) out.push_back(&qualify);
    for (Output& o : outputs) out.push_back(&o.expr);
    for (OrderItem& o : order) {
      if (o.expr) out.push_back(&o.expr);
    }
    return out;
  }

  arrow::Result<Query> lower_dependent(const PgQuery__SelectStmt& s, Dependence& d) {
    dependence_ = &d;
    return lower(s);
  }

  // A subquery in FROM; inside a correlated subquery it may refer to what is around that one.
  arrow::Result<Query> derived(const PgQuery__SelectStmt& s, const Dependence* around) {
    auto alone = lower(s);
    if (alone.ok() || !around || !around->outer) return alone;
    Dependence d;
    d.number = around->number;
    d.outer = around->outer;
    d.domain = around->domain;
    d.keep_domain = true;
    return lower_dependent(s, d);
  }

  // Subqueries of this SELECT see FROM's columns and those of the query around.
  arrow::Result<SelectLevel> level_of(const FromItems& input, const Dependence* d) {
    PlanPtr names = input.names;
    if (d && d->outer && d->outer_columns(*names).empty()) {
      ARROW_ASSIGN_OR_RAISE(names, plan::make_cross_join(std::move(names), d->domain));
    }
    return SelectLevel(subqueries_, input.scope, std::move(names));
  }

  arrow::Result<std::vector<NodePtr>> conditions(const PgQuery__SelectStmt& s, const FromItems& input,
                                                 const ExpressionLowering& expressions) const {
    std::vector<const PgQuery__Node*> all = input.conditions;
    split_and(s.where_clause, all);
    std::vector<NodePtr> out;
    for (const PgQuery__Node* condition : all) {
      ARROW_ASSIGN_OR_RAISE(NodePtr predicate, expressions.lower(*condition));
      if (expr::contains_aggregate(*predicate)) return text_.error("aggregates are not allowed in WHERE; use HAVING", -1);
      if (expr::contains_window(*predicate)) return text_.error("window functions are not allowed in WHERE; filter a subquery", -1);
      out.push_back(std::move(predicate));
    }
    return out;
  }

  static bool is_plain(const PgQuery__SelectStmt& s, const std::vector<Output>& outputs, const Dependence& d) {
    if (s.n_group_clause > 0 || s.having_clause || s.n_distinct_clause > 0 || s.limit_count || s.limit_offset) return false;
    return std::none_of(outputs.begin(), outputs.end(), [&](const Output& o) {
      return expr::contains_aggregate(*o.expr) || expr::contains_window(*o.expr) || contains_subquery(*o.expr) ||
             contains_unnest(*o.expr) || (d.want != Dependence::Want::kExists && d.uses_outer(*o.expr));
    });
  }

  static std::vector<NodePtr> values_of(const std::vector<Output>& outputs, const Dependence* d) {
    std::vector<NodePtr> out;
    if (!d || d->want == Dependence::Want::kExists) return out;
    for (const Output& o : outputs) out.push_back(o.expr);
    return out;
  }

  // Outer columns become outputs; the others get names of their own where it is asked for.
  static void carry(const plan::Plan& plan, std::vector<Output>& outputs, const Dependence& d) {
    for (size_t i = 0; d.rename && i < outputs.size(); ++i) outputs[i].name = d.value_name(i);
    for (const std::string& c : d.outer_columns(plan)) outputs.push_back({c, expr::column(c)});
  }

  arrow::Status refuse(const PgQuery__SelectStmt& s) const {
    if (s.into_clause) return text_.error("SELECT INTO is not supported", -1);
    if (s.n_locking_clause > 0) return text_.error("FOR UPDATE is not supported", -1);
    if (s.op == PG_QUERY__SET_OPERATION__SETOP_NONE && s.n_values_lists == 0 && s.n_target_list == 0)
      return text_.error("SELECT needs at least one column", -1);
    return arrow::Status::OK();
  }

  // One side of a set operation: the other has the same outer columns, which are compared like any other.
  arrow::Result<Query> side(const PgQuery__SelectStmt& s, Dependence* d) {
    if (!d) return lower(s);
    Dependence own = *d;
    own.want = Dependence::Want::kRows;
    own.keep_domain = true;
    own.may_hand_up = false;
    auto query = lower_dependent(s, own);
    d->null_safe |= own.null_safe;
    return query;
  }

  arrow::Result<Query> lower_set_operation(const PgQuery__SelectStmt& s, Dependence* d) {
    const SetOperation op = s.op == PG_QUERY__SET_OPERATION__SETOP_UNION       ? SetOperation::kUnion
                            : s.op == PG_QUERY__SET_OPERATION__SETOP_INTERSECT ? SetOperation::kIntersect
                                                                               : SetOperation::kExcept;
    // a union all b union all c ...: one union of many, so that a long chain is no deep one.
    std::vector<const PgQuery__SelectStmt*> parts{s.rarg};
    const PgQuery__SelectStmt* left = s.larg;
    while (op == SetOperation::kUnion && s.all && left->op == s.op && left->all && !left->with_clause && left->n_sort_clause == 0 &&
           !left->limit_count && !left->limit_offset) {
      parts.push_back(left->rarg);
      left = left->larg;
    }
    parts.push_back(left);
    std::vector<Query> queries;
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
      ARROW_ASSIGN_OR_RAISE(Query q, side(**part, d));
      queries.push_back(std::move(q));
    }
    ARROW_ASSIGN_OR_RAISE(Query query, combine(op, s.all, std::move(queries)));
    return ordered(s, std::move(query), d);
  }

  arrow::Result<Query> values(const PgQuery__SelectStmt& s, Dependence* d) const {
    ARROW_ASSIGN_OR_RAISE(Query query, lower_values(s.values_lists, s.n_values_lists, text_));
    if (d && d->outer) return text_.error("VALUES that refers to the query around it is not supported yet", -1);
    ARROW_ASSIGN_OR_RAISE(query, ordered(s, std::move(query), d));
    if (!d || !d->rename) return query;
    std::vector<NodePtr> renamed;
    for (size_t i = 0; i < query.names.size(); ++i) {
      renamed.push_back(expr::alias(expr::column(query.plan->schema->field(static_cast<int>(i))->name()), d->value_name(i)));
      query.names[i] = d->value_name(i);
    }
    ARROW_ASSIGN_OR_RAISE(query.plan, plan::make_project(query.plan, std::move(renamed)));
    return query;
  }

  // ORDER BY and LIMIT behind a set operation or VALUES: over its columns.
  arrow::Result<Query> ordered(const PgQuery__SelectStmt& s, Query query, Dependence* d) const {
    Scope scope;
    std::vector<Output> outputs;
    for (size_t i = 0; i < query.names.size(); ++i) {
      const std::string& column = query.plan->schema->field(static_cast<int>(i))->name();
      scope.columns.push_back({"", query.names[i], column});
      outputs.push_back({query.names[i], expr::column(column)});
    }
    ExpressionLowering expressions(text_, scope);
    ARROW_ASSIGN_OR_RAISE(const std::vector<OrderItem> order, order_items(s, outputs, expressions, text_));
    const auto unknown = query.unknown;
    ARROW_ASSIGN_OR_RAISE(query, finish(s, std::move(query.plan), outputs, order, expressions, d));
    query.unknown = unknown;
    return query;
  }

  // Aggregation and HAVING; outputs and order are rewritten to the aggregate's columns.
  arrow::Result<PlanPtr> grouped(const PgQuery__SelectStmt& s, PlanPtr input, std::vector<Output>& outputs, std::vector<OrderItem>& order,
                                 NodePtr& qualify, const ExpressionLowering& expressions, Dependence* d) {
    ARROW_ASSIGN_OR_RAISE(const GroupingClause clause, grouping_clause(s, text_));
    std::vector<NodePtr> keys;
    std::vector<std::vector<size_t>> key_of;  // keys of each expression of the clause
    for (const PgQuery__Node* n : clause.keys) {
      ARROW_ASSIGN_OR_RAISE(const std::vector<NodePtr> some, group_keys(*n, outputs, expressions));
      key_of.emplace_back();
      for (const NodePtr& written : some) {
        ARROW_ASSIGN_OR_RAISE(const NodePtr k, subqueries_.resolve(input, written));
        const auto known = std::find_if(keys.begin(), keys.end(), [&](const NodePtr& other) { return expr::equal(*other, *k); });
        key_of.back().push_back(static_cast<size_t>(known - keys.begin()));
        if (known == keys.end()) keys.push_back(k);
      }
    }
    // What GROUP BY takes apart is taken apart before the groups are made.
    ARROW_ASSIGN_OR_RAISE(input, unnest_keys(std::move(input), keys, expressions_of(outputs, order, qualify)));
    const HavingClause conditions = having_clause(s);
    bool aggregates = s.n_group_clause > 0 || conditions.having;
    for (const auto& o : outputs) aggregates |= expr::contains_aggregate(*o.expr);
    for (const auto& o : order) aggregates |= o.expr && expr::contains_aggregate(*o.expr);
    aggregates |= qualify && expr::contains_aggregate(*qualify);
    if (!aggregates) return input;
    NodePtr having;
    if (conditions.having) {
      ARROW_ASSIGN_OR_RAISE(having, expressions.lower(*conditions.having));
      if (expr::contains_window(*having)) return text_.error("window functions are not allowed in HAVING; filter a subquery", -1);
    }
    const bool missing = d && s.n_group_clause == 0;
    ARROW_ASSIGN_OR_RAISE(const bool fill, missing ? fills_groups(s, outputs, *d) : arrow::Result<bool>(false));
    std::vector<std::vector<size_t>> sets = sets_of_keys(clause, key_of);
    for (NodePtr& k : carried(outputs, d)) {
      for (auto& set : sets) set.push_back(keys.size());
      keys.push_back(std::move(k));
    }
    Grouping grouping(std::move(keys), std::move(sets));
    const auto rewrite = [&](NodePtr& e) -> arrow::Status {
      if (d && aggregates_outer(*e, *d))
        return text_.error("an aggregate of the columns of the query around a subquery is not supported yet", -1);
      ARROW_ASSIGN_OR_RAISE(e, subqueries_.resolve_inside_aggregates(input, subqueries_.resolved(e)));
      ARROW_ASSIGN_OR_RAISE(e, grouping.rewrite(e));
      return arrow::Status::OK();
    };
    for (auto& o : outputs) ARROW_RETURN_NOT_OK(rewrite(o.expr));
    for (auto& o : order) {
      if (o.expr) ARROW_RETURN_NOT_OK(rewrite(o.expr));
    }
    if (having) ARROW_RETURN_NOT_OK(rewrite(having));
    if (qualify) ARROW_RETURN_NOT_OK(rewrite(qualify));
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, grouping.apply(std::move(input)));
    if (fill) {
      ARROW_ASSIGN_OR_RAISE(plan, grouping.with_missing_groups(std::move(plan), *d));
      d->null_safe = true;
    }
    for (const NodePtr& condition : expr::conjuncts(having)) {
      ARROW_ASSIGN_OR_RAISE(plan, subqueries_.filter(std::move(plan), condition));
    }
    return plan;
  }

  // An aggregation without GROUP BY in a subquery: one row, be there rows or not. Where only its value is asked for, what it is of no
  // row is the business of who joins it.
  static arrow::Result<bool> fills_groups(const PgQuery__SelectStmt& s, const std::vector<Output>& outputs, Dependence& d) {
    const bool all_of_it = !s.having_clause && !s.limit_count && !s.limit_offset;
    d.at_most_one = true;
    d.exactly_one = all_of_it;
    if (!d.outer) return false;
    if (d.want != Dependence::Want::kValue || !all_of_it || contains_subquery(*outputs[0].expr) ||
        expr::contains_window(*outputs[0].expr)) {
      return true;
    }
    ARROW_ASSIGN_OR_RAISE(d.empty, value_of_nothing(outputs[0].expr, d));
    return false;
  }

  // Groups that ORDER BY leaves equal come in the order of their keys: then nothing below has to keep an order.
  static void settle_ties(const plan::Plan& grouped, std::vector<plan::SortBy>& by) {
    for (const auto& f : grouped.schema->fields()) {
      const bool known = std::any_of(by.begin(), by.end(), [&](const plan::SortBy& k) {
        return k.expr->kind == expr::NodeKind::kColumn && k.expr->name == f->name();
      });
      if (f->name().starts_with("$key") && !known) by.push_back({expr::column(f->name())});
    }
  }

  static bool joins(const plan::Plan& p) {
    if (p.kind == plan::PlanKind::kAggregate) return false;
    return p.kind == plan::PlanKind::kJoin || (p.inputs.size() == 1 && joins(*p.inputs[0]));
  }

  // Of joined tables LIMIT takes rows that ORDER BY leaves equal by the other outputs: then the joins may run in any order. Where outputs
  // are columns whose values are equal only when they are the same.
  static void settle_ties_by_outputs(const plan::Plan& input, const std::vector<Output>& outputs, std::vector<plan::SortBy>& by) {
    if (!joins(input)) return;
    std::vector<plan::SortBy> settled = by;
    for (const Output& o : outputs) {
      if (o.expr->kind == expr::NodeKind::kLiteral) continue;
      const auto field = o.expr->kind == expr::NodeKind::kColumn ? input.schema->GetFieldByName(o.expr->name) : nullptr;
      if (!field) return;
      const auto type = column::canonical_type(field->type());
      if (column::is_float(*type) || arrow::is_nested(type->id())) return;
      const bool known = std::any_of(by.begin(), by.end(), [&](const plan::SortBy& k) { return expr::equal(*k.expr, *o.expr); });
      if (!known) settled.push_back({o.expr});
    }
    by = std::move(settled);
  }

  // GROUP BY ALL stands for every output that is no aggregate.
  arrow::Result<std::vector<NodePtr>> group_keys(const PgQuery__Node& n, const std::vector<Output>& outputs,
                                                 const ExpressionLowering& expressions) const {
    std::vector<NodePtr> out;
    if (is_all(n)) {
      for (const Output& o : outputs) {
        const bool constant = o.expr->kind == expr::NodeKind::kLiteral;
        if (!constant && !expr::contains_aggregate(*o.expr) && !expr::contains_window(*o.expr)) out.push_back(o.expr);
      }
      return out;
    }
    auto key = expressions.lower(n);
    // A column of the input wins over an output's name, as in PostgreSQL.
    ARROW_ASSIGN_OR_RAISE(const int position, output_position(n, outputs, "GROUP BY", !key.ok(), text_));
    if (position < 0) ARROW_RETURN_NOT_OK(key.status());
    const NodePtr chosen = position >= 0 ? outputs[static_cast<size_t>(position)].expr : *key;
    const EventWindows* windows = expressions.scope().windows.get();
    if (windows && expr::equal(*chosen, *whole_window(*windows)))
      return std::vector<NodePtr>{expr::column(windows->start), expr::column(windows->end)};
    return std::vector<NodePtr>{chosen};
  }

  // An expression that may also name outputs (which the input's columns hide).
  arrow::Result<NodePtr> lower_with_outputs(const PgQuery__Node& n, const Scope& scope, const std::vector<Output>& outputs,
                                            const NamedWindows& windows) const {
    Scope wider = scope;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const bool hidden = std::any_of(scope.columns.begin(), scope.columns.end(), [&](const ScopeColumn& c) {
        return !c.qualified_only && equal_ignoring_case(c.name, outputs[i].name);
      });
      if (!hidden) wider.columns.push_back({"", outputs[i].name, "$output" + std::to_string(i)});
    }
    ARROW_ASSIGN_OR_RAISE(NodePtr e, ExpressionLowering(text_, wider, &windows).lower(n));
    return expr::rewrite(e, [&](const NodePtr& part) {
      if (part->kind != expr::NodeKind::kColumn || !part->name.starts_with("$output")) return part;
      return outputs[std::stoul(part->name.substr(7))].expr;
    });
  }

  arrow::Result<Query> finish(const PgQuery__SelectStmt& s, PlanPtr plan, const std::vector<Output>& outputs,
                              const std::vector<OrderItem>& order, const ExpressionLowering& expressions, Dependence* d) const {
    Query out;
    std::vector<std::string> inside;  // names in the plan
    std::vector<NodePtr> list;
    for (const auto& o : outputs) {
      out.names.push_back(o.name);
      out.unknown.push_back(is_unknown(*o.expr));
      list.push_back(expr::alias(o.expr, fresh_name(o.name, inside)));
    }
    const auto columns = inside;
    const bool distinct = s.n_distinct_clause > 0;
    const bool distinct_on = distinct && s.distinct_clause[0]->node_case != PG_QUERY__NODE__NODE__NOT_SET;
    std::vector<plan::SortBy> by;
    for (const auto& o : order) {
      if (distinct && !distinct_on && o.output < 0)
        return text_.error("with SELECT DISTINCT, ORDER BY expressions must be in the select list", -1);
      const auto position = static_cast<size_t>(std::max(o.output, 0));
      const NodePtr key = o.expr ? o.expr : distinct && !distinct_on ? expr::column(columns[position]) : outputs[position].expr;
      by.push_back({key, o.descending, o.nulls_first});
    }
    if (distinct && !distinct_on) {
      ARROW_ASSIGN_OR_RAISE(plan, plan::make_project(plan, list));
      ARROW_ASSIGN_OR_RAISE(plan, plan::make_distinct(plan));
      list.clear();
      for (const std::string& c : columns) list.push_back(expr::column(c));
    }
    if (!by.empty()) {
      std::vector<plan::SortBy> settled = by;
      if (!distinct || distinct_on) settle_ties(*plan, settled);
      if (s.limit_count && !distinct && !(d && d->outer)) settle_ties_by_outputs(*plan, outputs, settled);
      ARROW_ASSIGN_OR_RAISE(plan, plan::make_sort(plan, std::move(settled)));
    }
    if (distinct_on) {
      ARROW_ASSIGN_OR_RAISE(plan, first_of_each(s, std::move(plan), outputs, expressions, d, text_));
    }
    if (d && d->outer) {
      ARROW_ASSIGN_OR_RAISE(plan, plan::make_project(plan, std::move(list)));
      ARROW_ASSIGN_OR_RAISE(out.plan, limited_each(s, std::move(plan), *d, text_));
      return out;
    }
    ARROW_ASSIGN_OR_RAISE(plan, limited(s, std::move(plan), by, d, text_));
    ARROW_ASSIGN_OR_RAISE(out.plan, plan::make_project(plan, std::move(list)));
    return out;
  }

  const ParsedText& text_;
  const TableLookup& tables_;
  Subqueries subqueries_;
  Dependence* dependence_ = nullptr;  // of the SELECT that is lowered next
  bool with_is_known_ = false;
};

}  // namespace

arrow::Result<Query> lower_query(const PgQuery__SelectStmt& select, const ParsedText& text, const TableLookup& tables) {
  return SelectLowering(text, tables).lower(select);
}

}  // namespace gristmill::sqltext
