// SELECT in the order it means: from, where, group by and aggregates, having, order by, select list, distinct, limit.
//
// Expressions are lowered over the scope of FROM; with grouping, aggregates and keys in them become columns of the
// aggregate's output. ORDER BY runs below the select list (it may use columns that are not selected) unless DISTINCT
// stands between.

#include "sql/lower_select.h"

#include <algorithm>
#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "expr/window.h"
#include "plan/nodes.h"
#include "sql/dependent.h"
#include "sql/event_windows.h"
#include "sql/from.h"
#include "sql/from_where.h"
#include "sql/group_windows.h"
#include "sql/grouped_names.h"
#include "sql/grouping_sets.h"
#include "sql/lower_expr.h"
#include "sql/select_parts.h"
#include "sql/select_unnest.h"
#include "sql/set_operations.h"
#include "sql/struct_fields.h"
#include "sql/subquery.h"
#include "sql/values.h"
#include "sql/window.h"
#include "sql/with_clause.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;
using plan::PlanPtr;

struct OrderItem {
  NodePtr expr;     // over the input; null when `output` is set
  int output = -1;  // position in the select list
  bool descending = false;
  bool nulls_first = false;
};

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
    ARROW_ASSIGN_OR_RAISE(std::vector<Output> outputs, select_list(s, listed, ExpressionLowering(text_, listed, &windows)));
    ARROW_RETURN_NOT_OK(check_unnest(outputs, text_));
    const bool unnests = std::any_of(outputs.begin(), outputs.end(), [](const Output& o) { return contains_unnest(*o.expr); });
    if (unnests && d && d->outer)
      return text_.error("unnest in the select list of a subquery that refers to the query around it is not supported; use it in FROM", -1);
    ARROW_ASSIGN_OR_RAISE(std::vector<OrderItem> order, order_items(s, outputs, expressions));
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
    std::vector<NodePtr*> inside;
    if (qualify) inside.push_back(&qualify);
    for (Output& o : outputs) inside.push_back(&o.expr);
    for (OrderItem& o : order) {
      if (o.expr) inside.push_back(&o.expr);
    }
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
      std::vector<NodePtr> lists;
      std::vector<NodePtr*> everywhere;
      for (Output& o : outputs) {
        lists.push_back(o.expr);
        everywhere.push_back(&o.expr);
      }
      ARROW_ASSIGN_OR_RAISE(plan, unnest_lists(std::move(plan), lists, everywhere));
    }
    return finish(s, std::move(plan), outputs, order, expressions, d);
  }

 private:
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

  static std::vector<NodePtr> carried(const std::vector<Output>& outputs, const Dependence* d) {
    std::vector<NodePtr> out;
    for (const Output& o : outputs) {
      if (d && d->is_outer(o.name)) out.push_back(o.expr);
    }
    return out;
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
    ARROW_ASSIGN_OR_RAISE(const std::vector<OrderItem> order, order_items(s, outputs, expressions));
    const auto unknown = query.unknown;
    ARROW_ASSIGN_OR_RAISE(query, finish(s, std::move(query.plan), outputs, order, expressions, d));
    query.unknown = unknown;
    return query;
  }

  arrow::Result<std::vector<Output>> select_list(const PgQuery__SelectStmt& s, const Scope& scope,
                                                 const ExpressionLowering& expressions) const {
    std::vector<Output> out;
    for (size_t i = 0; i < s.n_target_list; ++i) {
      const PgQuery__ResTarget& t = *s.target_list[i]->res_target;
      if (is_marker(*t.val, kStarMarker)) {
        ARROW_RETURN_NOT_OK(edited_star(*t.val->func_call, scope, expressions, text_, out));
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(const bool fields, struct_star(*t.val, expressions, text_, out));
      if (fields) continue;
      if (t.val->node_case == PG_QUERY__NODE__NODE_COLUMN_REF) {
        const PgQuery__ColumnRef& c = *t.val->column_ref;
        if (c.fields[c.n_fields - 1]->node_case == PG_QUERY__NODE__NODE_A_STAR) {
          const std::string table = c.n_fields > 1 ? c.fields[0]->string->sval : "";
          for (const auto& column : scope.columns) {
            if (table.empty() ? !column.qualified_only : equal_ignoring_case(column.table, table))
              out.push_back({column.name, expr::column(column.column)});
          }
          continue;
        }
      }
      ARROW_ASSIGN_OR_RAISE(NodePtr e, expressions.lower(*t.val));
      std::string name = t.name && *t.name ? t.name : ExpressionLowering::output_name(*t.val);
      if (e->kind == expr::NodeKind::kColumn && !(t.name && *t.name)) {
        for (const auto& column : scope.columns) {
          if (column.column == e->name) name = column.name;  // as the table spells it
        }
      }
      out.push_back({std::move(name), std::move(e)});
    }
    return out;
  }

  // A whole number is a position, a plain name first an output column, anything else an expression over the input.
  arrow::Result<int> output_position(const PgQuery__Node& n, const std::vector<Output>& outputs, const char* clause, bool names) const {
    if (n.node_case == PG_QUERY__NODE__NODE_A_CONST && n.a_const->val_case == PG_QUERY__A__CONST__VAL_IVAL) {
      const int position = n.a_const->ival->ival;
      if (position < 1 || position > static_cast<int>(outputs.size())) {
        return text_.error(std::string(clause) + " position " + std::to_string(position) + " is not in the select list",
                           n.a_const->location);
      }
      return position - 1;
    }
    if (names && n.node_case == PG_QUERY__NODE__NODE_COLUMN_REF && n.column_ref->n_fields == 1 &&
        n.column_ref->fields[0]->node_case == PG_QUERY__NODE__NODE_STRING) {
      for (size_t i = 0; i < outputs.size(); ++i) {
        if (outputs[i].name == n.column_ref->fields[0]->string->sval) return static_cast<int>(i);
      }
    }
    return -1;
  }

  arrow::Result<std::vector<OrderItem>> order_items(const PgQuery__SelectStmt& s, const std::vector<Output>& outputs,
                                                    const ExpressionLowering& expressions) const {
    std::vector<OrderItem> out;
    for (size_t i = 0; i < s.n_sort_clause; ++i) {
      const PgQuery__SortBy& by = *s.sort_clause[i]->sort_by;
      OrderItem item;
      item.descending = by.sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC;
      item.nulls_first = by.sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST ||
                         (by.sortby_nulls != PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST && item.descending);
      if (is_all(*by.node)) {
        for (item.output = 0; item.output < std::ssize(outputs); ++item.output) out.push_back(item);
        continue;
      }
      ARROW_ASSIGN_OR_RAISE(item.output, output_position(*by.node, outputs, "ORDER BY", true));
      if (item.output < 0) {
        ARROW_ASSIGN_OR_RAISE(item.expr, expressions.lower(*by.node));
      }
      out.push_back(std::move(item));
    }
    return out;
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
    if (std::any_of(keys.begin(), keys.end(), [](const NodePtr& k) { return contains_unnest(*k); })) {
      const std::vector<NodePtr> lists = keys;
      std::vector<NodePtr*> everywhere;
      for (NodePtr& k : keys) everywhere.push_back(&k);
      for (Output& o : outputs) everywhere.push_back(&o.expr);
      for (OrderItem& o : order) {
        if (o.expr) everywhere.push_back(&o.expr);
      }
      if (qualify) everywhere.push_back(&qualify);
      ARROW_ASSIGN_OR_RAISE(input, unnest_lists(std::move(input), lists, everywhere));
    }
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
    ARROW_ASSIGN_OR_RAISE(const int position, output_position(n, outputs, "GROUP BY", !key.ok()));
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
      ARROW_ASSIGN_OR_RAISE(plan, plan::make_sort(plan, std::move(settled)));
    }
    if (distinct_on) {
      ARROW_ASSIGN_OR_RAISE(plan, first_of_each(s, std::move(plan), outputs, expressions, d));
    }
    if (d && d->outer) {
      ARROW_ASSIGN_OR_RAISE(plan, plan::make_project(plan, std::move(list)));
      ARROW_ASSIGN_OR_RAISE(out.plan, limited_each(s, std::move(plan), *d));
      return out;
    }
    ARROW_ASSIGN_OR_RAISE(plan, limited(s, std::move(plan), by, d));
    ARROW_ASSIGN_OR_RAISE(out.plan, plan::make_project(plan, std::move(list)));
    return out;
  }

  // DISTINCT ON: the first row for each value, in the order of rows. Over the input's columns, which stay.
  arrow::Result<PlanPtr> first_of_each(const PgQuery__SelectStmt& s, PlanPtr plan, const std::vector<Output>& outputs,
                                       const ExpressionLowering& expressions, const Dependence* d) const {
    std::vector<NodePtr> wider;
    auto taken = plan->schema->field_names();
    for (const std::string& c : plan->schema->field_names()) wider.push_back(expr::column(c));
    std::vector<std::string> keys;
    for (size_t i = 0; i < s.n_distinct_clause; ++i) {
      ARROW_ASSIGN_OR_RAISE(const int position, output_position(*s.distinct_clause[i], outputs, "DISTINCT ON", true));
      NodePtr key;
      if (position >= 0) {
        key = outputs[static_cast<size_t>(position)].expr;
      } else if (s.n_group_clause > 0) {
        return text_.error("with GROUP BY, DISTINCT ON takes outputs by their name or position", -1);
      } else {
        ARROW_ASSIGN_OR_RAISE(key, expressions.lower(*s.distinct_clause[i]));
      }
      keys.push_back(fresh_name("$on" + std::to_string(i), taken));
      wider.push_back(expr::alias(std::move(key), keys.back()));
    }
    for (const NodePtr& outer : carried(outputs, d)) {
      keys.push_back(fresh_name("$on" + std::to_string(keys.size()), taken));
      wider.push_back(expr::alias(outer, keys.back()));
    }
    ARROW_ASSIGN_OR_RAISE(plan, plan::make_project(plan, std::move(wider)));
    return plan::make_distinct(plan, std::move(keys));
  }

  arrow::Result<PlanPtr> limited(const PgQuery__SelectStmt& s, PlanPtr plan, const std::vector<plan::SortBy>& by, Dependence* d) const {
    if (!s.limit_count && !s.limit_offset) return plan;
    ARROW_ASSIGN_OR_RAISE(int64_t count, row_number(s.limit_count, "LIMIT", -1));
    ARROW_ASSIGN_OR_RAISE(int64_t offset, row_number(s.limit_offset, "OFFSET", 0));
    if (s.limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES && count >= 0)
      return with_ties(std::move(plan), by, offset, count);
    if (d && count >= 0 && count <= 1) d->at_most_one = true;
    return plan::make_limit(std::move(plan), offset, count);
  }

  // LIMIT of a correlated subquery: for each of the values of the outer columns.
  arrow::Result<PlanPtr> limited_each(const PgQuery__SelectStmt& s, PlanPtr plan, Dependence& d) const {
    if (!s.limit_count && !s.limit_offset) return plan;
    if (s.limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES)
      return text_.error("WITH TIES in a subquery that refers to the query around it is not supported yet", -1);
    ARROW_ASSIGN_OR_RAISE(int64_t count, row_number(s.limit_count, "LIMIT", -1));
    ARROW_ASSIGN_OR_RAISE(int64_t offset, row_number(s.limit_offset, "OFFSET", 0));
    if (count >= 0 && count <= 1) d.at_most_one = true;
    if (d.want == Dependence::Want::kExists && count != 0 && offset == 0) return plan;
    std::vector<NodePtr> parts;
    for (const std::string& c : d.outer_columns(*plan)) parts.push_back(expr::column(c));
    return limit_each(std::move(plan), d, std::move(parts), offset, count);
  }

  // As many rows as there are places up to the last, and those that tie with it.
  arrow::Result<PlanPtr> with_ties(PlanPtr plan, const std::vector<plan::SortBy>& by, int64_t offset, int64_t count) const {
    if (by.empty()) return text_.error("WITH TIES needs ORDER BY", -1);
    int64_t last = 0;
    if (__builtin_add_overflow(offset, count, &last)) return plan;
    if (count == 0) return plan::make_limit(std::move(plan), 0, 0);
    expr::Over order;
    for (const auto& k : by) order.order.push_back({k.expr, k.descending, k.nulls_first});
    auto taken = plan->schema->field_names();
    std::vector<NodePtr> wider, kept;
    for (const std::string& c : plan->schema->field_names()) kept.push_back(expr::column(c));
    wider = kept;
    const std::string rank = fresh_name("$rank", taken), number = fresh_name("$row", taken);
    wider.push_back(expr::alias(expr::window("rank", {}, {}, order), rank));
    wider.push_back(expr::alias(expr::window("row_number", {}, {}, order), number));
    ARROW_ASSIGN_OR_RAISE(plan, plan::make_project(plan, std::move(wider)));
    const NodePtr in = expr::call("le", {expr::column(rank), expr::literal(last)});
    const NodePtr behind = expr::call("gt", {expr::column(number), expr::literal(offset)});
    ARROW_ASSIGN_OR_RAISE(plan, plan::make_filter(plan, expr::call("and", {in, behind})));
    return plan::make_project(plan, std::move(kept));
  }

  arrow::Result<int64_t> row_number(const PgQuery__Node* n, const char* clause, int64_t fallback) const {
    if (!n || (n->node_case == PG_QUERY__NODE__NODE_A_CONST && n->a_const->isnull)) return fallback;
    ARROW_ASSIGN_OR_RAISE(const NodePtr e, ExpressionLowering(text_, Scope{}).lower(*n));
    const auto value = constant_integer(e);
    if (!value) return text_.error(std::string(clause) + " must be a whole number", -1);
    if (*value < 0) return text_.error(std::string(clause) + " must not be negative", -1);
    return *value;
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
