// SELECT in the order it means: from, where, group by and aggregates, having, order by, select list, distinct, limit.
//
// Expressions are lowered over the scope of FROM; with grouping, aggregates and keys in them become columns of the
// aggregate's output. ORDER BY runs below the select list (it may use columns that are not selected) unless DISTINCT
// stands between.

#include "sql/lower_select.h"

#include <algorithm>
#include <utility>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "expr/window.h"
#include "plan/nodes.h"
#include "sql/dependent.h"
#include "sql/from.h"
#include "sql/from_where.h"
#include "sql/lower_expr.h"
#include "sql/subquery.h"
#include "sql/window.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;
using plan::PlanPtr;

struct Output {
  std::string name;
  NodePtr expr;
};

struct OrderItem {
  NodePtr expr;     // over the input; null when `output` is set
  int output = -1;  // position in the select list
  bool descending = false;
  bool nulls_first = false;
};

// Keys and aggregates of a grouped query; rewrites expressions to refer to them.
class Grouping {
 public:
  explicit Grouping(std::vector<NodePtr> keys) : keys_(std::move(keys)) {}

  arrow::Result<NodePtr> rewrite(const NodePtr& e) {
    for (size_t i = 0; i < keys_.size(); ++i) {
      if (expr::equal(*keys_[i], *e)) return expr::column(key_name(i));
    }
    if (e->kind == expr::NodeKind::kAggregate) {
      for (size_t i = 0; i < aggregates_.size(); ++i) {
        if (expr::equal(*aggregates_[i], *e)) return expr::column(aggregate_name(i));
      }
      aggregates_.push_back(e);
      return expr::column(aggregate_name(aggregates_.size() - 1));
    }
    if (e->kind == expr::NodeKind::kColumn) {
      return base::plan_error("column \"" + e->name + "\" must appear in GROUP BY or be used in an aggregate");
    }
    if (e->args.empty()) return e;
    auto copy = std::make_shared<expr::Node>(*e);
    for (auto& a : copy->args) {
      ARROW_ASSIGN_OR_RAISE(a, rewrite(a));
    }
    if (copy->filter) {
      ARROW_ASSIGN_OR_RAISE(copy->filter, rewrite(copy->filter));
    }
    return copy;
  }

  arrow::Result<PlanPtr> apply(PlanPtr input) const {
    std::vector<NodePtr> keys, aggregates;
    for (size_t i = 0; i < keys_.size(); ++i) keys.push_back(expr::alias(keys_[i], key_name(i)));
    for (size_t i = 0; i < aggregates_.size(); ++i) aggregates.push_back(expr::alias(aggregates_[i], aggregate_name(i)));
    return plan::make_aggregate(std::move(input), std::move(keys), std::move(aggregates));
  }

  // Of an aggregation without GROUP BY in a correlated subquery, whose keys are all outer columns.
  arrow::Result<PlanPtr> with_missing_groups(PlanPtr aggregated, const Dependence& d) const {
    std::vector<std::pair<std::string, std::string>> keys;
    std::vector<NamedAggregate> aggregates;
    for (size_t i = 0; i < keys_.size(); ++i) keys.emplace_back(keys_[i]->name, key_name(i));
    for (size_t i = 0; i < aggregates_.size(); ++i) aggregates.push_back({aggregate_name(i), aggregates_[i]});
    return sqltext::with_missing_groups(std::move(aggregated), d, keys, aggregates);
  }

 private:
  static std::string key_name(size_t i) { return "$key" + std::to_string(i); }
  static std::string aggregate_name(size_t i) { return "$agg" + std::to_string(i); }
  std::vector<NodePtr> keys_, aggregates_;
};

class SelectLowering {
 public:
  SelectLowering(const ParsedText& text, const TableLookup& tables)
      : text_(text),
        tables_(tables),
        subqueries_(text, [this](const PgQuery__SelectStmt& s, Dependence& d) { return lower_dependent(s, d); }) {}

  arrow::Result<PlanPtr> lower(const PgQuery__SelectStmt& s) {
    Dependence* const d = std::exchange(dependence_, nullptr);
    ARROW_RETURN_NOT_OK(refuse(s));
    if (s.op != PG_QUERY__SET_OPERATION__SETOP_NONE) return lower_union(s, d);
    FromLowering from(text_, tables_, [this, d](const PgQuery__SelectStmt& inner) { return derived(inner, d); }, subqueries_, d);
    ARROW_ASSIGN_OR_RAISE(FromItems input, from.lower(s.from_clause, s.n_from_clause));
    ARROW_ASSIGN_OR_RAISE(const NamedWindows windows, named_windows(s, text_));
    ARROW_ASSIGN_OR_RAISE(SelectLevel level, level_of(input, d));
    input.scope.subqueries = &level;
    input.scope.outer = d ? d->outer : nullptr;
    ExpressionLowering expressions(text_, input.scope, &windows);
    ARROW_ASSIGN_OR_RAISE(std::vector<NodePtr> where, conditions(s, input, expressions));
    ARROW_ASSIGN_OR_RAISE(std::vector<Output> outputs, select_list(s, input.scope, expressions));
    ARROW_ASSIGN_OR_RAISE(std::vector<OrderItem> order, order_items(s, outputs, expressions));
    const bool plain = d && is_plain(s, outputs, *d);
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, from_where(std::move(input.items), std::move(where), plain, values_of(outputs, d), d, subqueries_));
    if (d && d->handed_up) return plan;
    if (d) carry(*plan, outputs, *d);
    ARROW_ASSIGN_OR_RAISE(plan, grouped(s, std::move(plan), outputs, order, expressions, d));
    std::vector<NodePtr*> inside;
    for (Output& o : outputs) inside.push_back(&o.expr);
    for (OrderItem& o : order) {
      if (o.expr) inside.push_back(&o.expr);
    }
    for (NodePtr* e : inside) {
      ARROW_ASSIGN_OR_RAISE(*e, subqueries_.resolve(plan, *e));
      *e = partition_windows(*e, carried(outputs, d));
    }
    ARROW_ASSIGN_OR_RAISE(plan, plan::add_windows(std::move(plan), inside));
    return finish(s, std::move(plan), outputs, order, d);
  }

 private:
  arrow::Result<PlanPtr> lower_dependent(const PgQuery__SelectStmt& s, Dependence& d) {
    dependence_ = &d;
    return lower(s);
  }

  // A subquery in FROM; inside a correlated subquery it may refer to what is around that one.
  arrow::Result<PlanPtr> derived(const PgQuery__SelectStmt& s, const Dependence* around) {
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
             (d.want != Dependence::Want::kExists && d.uses_outer(*o.expr));
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
    if (s.with_clause) return text_.error("WITH is not supported yet", s.with_clause->location);
    if (s.n_values_lists > 0) return text_.error("VALUES is not supported yet", -1);
    if (s.into_clause) return text_.error("SELECT INTO is not supported", -1);
    if (s.n_locking_clause > 0) return text_.error("FOR UPDATE is not supported", -1);
    if (s.op == PG_QUERY__SET_OPERATION__SETOP_NONE && s.n_from_clause == 0)
      return text_.error("SELECT without FROM is not supported yet", -1);
    return arrow::Status::OK();
  }

  // One side of a set operation: the other has the same outer columns, which are compared like any other.
  arrow::Result<PlanPtr> side(const PgQuery__SelectStmt& s, Dependence* d) {
    if (!d) return lower(s);
    Dependence own = *d;
    own.want = Dependence::Want::kRows;
    own.keep_domain = true;
    own.may_hand_up = false;
    auto plan = lower_dependent(s, own);
    d->null_safe |= own.null_safe;
    return plan;
  }

  arrow::Result<PlanPtr> lower_union(const PgQuery__SelectStmt& s, Dependence* d) {
    if (s.op != PG_QUERY__SET_OPERATION__SETOP_UNION) return text_.error("INTERSECT and EXCEPT are not supported yet", -1);
    ARROW_ASSIGN_OR_RAISE(PlanPtr left, side(*s.larg, d));
    ARROW_ASSIGN_OR_RAISE(PlanPtr right, side(*s.rarg, d));
    if (left->schema->num_fields() != right->schema->num_fields())
      return text_.error("each side of UNION must have the same number of columns", -1);
    std::vector<NodePtr> renamed;
    for (int i = 0; i < left->schema->num_fields(); ++i) {
      renamed.push_back(expr::alias(expr::column(right->schema->field(i)->name()), left->schema->field(i)->name()));
    }
    ARROW_ASSIGN_OR_RAISE(right, plan::make_project(right, std::move(renamed)));
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, plan::make_union({left, right}));
    if (!s.all) {
      ARROW_ASSIGN_OR_RAISE(plan, plan::make_distinct(plan));
    }
    Scope scope;
    std::vector<Output> outputs;
    for (const auto& f : plan->schema->fields()) {
      scope.columns.push_back({"", f->name(), f->name()});
      outputs.push_back({f->name(), expr::column(f->name())});
    }
    ExpressionLowering expressions(text_, scope);
    ARROW_ASSIGN_OR_RAISE(std::vector<OrderItem> order, order_items(s, outputs, expressions));
    return finish(s, std::move(plan), outputs, order, d);
  }

  arrow::Result<std::vector<Output>> select_list(const PgQuery__SelectStmt& s, const Scope& scope,
                                                 const ExpressionLowering& expressions) const {
    std::vector<Output> out;
    for (size_t i = 0; i < s.n_target_list; ++i) {
      const PgQuery__ResTarget& t = *s.target_list[i]->res_target;
      if (t.val->node_case == PG_QUERY__NODE__NODE_COLUMN_REF) {
        const PgQuery__ColumnRef& c = *t.val->column_ref;
        if (c.fields[c.n_fields - 1]->node_case == PG_QUERY__NODE__NODE_A_STAR) {
          const std::string table = c.n_fields > 1 ? c.fields[0]->string->sval : "";
          if (!table.empty() && !scope.has_table(table)) return text_.error("no table \"" + table + "\" in this query", c.location);
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
                                 const ExpressionLowering& expressions, Dependence* d) {
    std::vector<NodePtr> keys;
    for (size_t i = 0; i < s.n_group_clause; ++i) {
      if (s.group_clause[i]->node_case == PG_QUERY__NODE__NODE_GROUPING_SET)
        return text_.error("GROUPING SETS, ROLLUP and CUBE are not supported yet", -1);
      auto key = expressions.lower(*s.group_clause[i]);
      // A column of the input wins over an output's name, as in PostgreSQL.
      ARROW_ASSIGN_OR_RAISE(const int position, output_position(*s.group_clause[i], outputs, "GROUP BY", !key.ok()));
      keys.push_back(position >= 0 ? outputs[static_cast<size_t>(position)].expr : NodePtr{});
      if (position < 0) {
        ARROW_ASSIGN_OR_RAISE(keys.back(), std::move(key));
      }
      ARROW_ASSIGN_OR_RAISE(keys.back(), subqueries_.resolve(input, keys.back()));
    }
    bool aggregates = s.n_group_clause > 0 || s.having_clause;
    for (const auto& o : outputs) aggregates |= expr::contains_aggregate(*o.expr);
    for (const auto& o : order) aggregates |= o.expr && expr::contains_aggregate(*o.expr);
    if (!aggregates) return input;
    NodePtr having;
    if (s.having_clause) {
      ARROW_ASSIGN_OR_RAISE(having, expressions.lower(*s.having_clause));
      if (expr::contains_window(*having)) return text_.error("window functions are not allowed in HAVING; filter a subquery", -1);
    }
    const bool missing = d && s.n_group_clause == 0;
    ARROW_ASSIGN_OR_RAISE(const bool fill, missing ? fills_groups(s, outputs, *d) : arrow::Result<bool>(false));
    for (NodePtr& k : carried(outputs, d)) keys.push_back(std::move(k));
    Grouping grouping(std::move(keys));
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

  arrow::Result<PlanPtr> finish(const PgQuery__SelectStmt& s, PlanPtr plan, const std::vector<Output>& outputs,
                                const std::vector<OrderItem>& order, Dependence* d) const {
    const bool distinct = s.n_distinct_clause > 0;
    if (distinct && s.distinct_clause[0]->node_case != PG_QUERY__NODE__NODE__NOT_SET)
      return text_.error("DISTINCT ON is not supported yet", -1);
    if (!distinct && !order.empty()) {
      std::vector<plan::SortBy> by;
      for (const auto& o : order)
        by.push_back({o.expr ? o.expr : outputs[static_cast<size_t>(o.output)].expr, o.descending, o.nulls_first});
      settle_ties(*plan, by);
      ARROW_ASSIGN_OR_RAISE(plan, plan::make_sort(plan, std::move(by)));
    }
    std::vector<NodePtr> list;
    for (const auto& o : outputs) list.push_back(expr::alias(o.expr, o.name));
    ARROW_ASSIGN_OR_RAISE(plan, plan::make_project(plan, std::move(list), true));
    if (distinct) {
      ARROW_ASSIGN_OR_RAISE(plan, plan::make_distinct(plan));
      if (!order.empty()) {
        std::vector<plan::SortBy> by;
        for (const auto& o : order) {
          if (o.output < 0) return text_.error("with SELECT DISTINCT, ORDER BY expressions must be in the select list", -1);
          by.push_back({expr::column(outputs[static_cast<size_t>(o.output)].name), o.descending, o.nulls_first});
        }
        ARROW_ASSIGN_OR_RAISE(plan, plan::make_sort(plan, std::move(by)));
      }
    }
    return limited(s, std::move(plan), d);
  }

  arrow::Result<PlanPtr> limited(const PgQuery__SelectStmt& s, PlanPtr plan, Dependence* d) const {
    if (s.limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES) return text_.error("WITH TIES is not supported yet", -1);
    if (!s.limit_count && !s.limit_offset) return plan;
    ARROW_ASSIGN_OR_RAISE(int64_t count, row_number(s.limit_count, "LIMIT", -1));
    ARROW_ASSIGN_OR_RAISE(int64_t offset, row_number(s.limit_offset, "OFFSET", 0));
    if (d && count >= 0 && count <= 1) d->at_most_one = true;
    if (!d || !d->outer) return plan::make_limit(std::move(plan), offset, count);
    if (d->want == Dependence::Want::kExists && count != 0 && offset == 0) return plan;
    std::vector<NodePtr> parts;
    for (const std::string& c : d->outer_columns(*plan)) parts.push_back(expr::column(c));
    return limit_each(std::move(plan), *d, std::move(parts), offset, count);
  }

  arrow::Result<int64_t> row_number(const PgQuery__Node* n, const char* clause, int64_t fallback) const {
    if (!n || (n->node_case == PG_QUERY__NODE__NODE_A_CONST && n->a_const->isnull)) return fallback;
    ARROW_ASSIGN_OR_RAISE(NodePtr e, ExpressionLowering(text_, Scope{}).lower(*n));
    if (e->kind != expr::NodeKind::kLiteral || e->value->type->id() != arrow::Type::INT64)
      return text_.error(std::string(clause) + " must be a whole number", -1);
    const int64_t v = static_cast<const arrow::Int64Scalar&>(*e->value).value;
    if (v < 0) return text_.error(std::string(clause) + " must not be negative", -1);
    return v;
  }

  const ParsedText& text_;
  const TableLookup& tables_;
  Subqueries subqueries_;
  Dependence* dependence_ = nullptr;  // of the SELECT that is lowered next
};

}  // namespace

arrow::Result<plan::PlanPtr> lower_statement(const ParsedText& text, const TableLookup& tables) {
  const PgQuery__Node& statement = text.statement();
  if (statement.node_case != PG_QUERY__NODE__NODE_SELECT_STMT) return text.error("only SELECT is supported so far", -1);
  return SelectLowering(text, tables).lower(*statement.select_stmt);
}

}  // namespace gristmill::sqltext
