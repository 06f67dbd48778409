// SELECT in the order it means: from, where, group by and aggregates, having, order by, select list, distinct, limit.
//
// Expressions are lowered over the scope of FROM; with grouping, aggregates and keys in them become columns of the
// aggregate's output. ORDER BY runs below the select list (it may use columns that are not selected) unless DISTINCT
// stands between.

#include "sql/lower_select.h"

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "expr/window.h"
#include "plan/nodes.h"
#include "sql/from.h"
#include "sql/lower_expr.h"
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

 private:
  static std::string key_name(size_t i) { return "$key" + std::to_string(i); }
  static std::string aggregate_name(size_t i) { return "$agg" + std::to_string(i); }
  std::vector<NodePtr> keys_, aggregates_;
};

class SelectLowering {
 public:
  SelectLowering(const ParsedText& text, const TableLookup& tables) : text_(text), tables_(tables) {}

  arrow::Result<PlanPtr> lower(const PgQuery__SelectStmt& s) {
    ARROW_RETURN_NOT_OK(refuse(s));
    if (s.op != PG_QUERY__SET_OPERATION__SETOP_NONE) return lower_union(s);
    std::vector<const PgQuery__Node*> where;
    split_and(s.where_clause, where);
    FromLowering from(text_, tables_, [this](const PgQuery__SelectStmt& inner) { return lower(inner); });
    ARROW_ASSIGN_OR_RAISE(Relation input, from.lower(s.from_clause, s.n_from_clause, where));
    ARROW_ASSIGN_OR_RAISE(const NamedWindows windows, named_windows(s, text_));
    ExpressionLowering expressions(text_, input.scope, &windows);
    for (const PgQuery__Node* condition : where) {
      ARROW_ASSIGN_OR_RAISE(NodePtr predicate, expressions.lower(*condition));
      if (expr::contains_aggregate(*predicate)) return text_.error("aggregates are not allowed in WHERE; use HAVING", -1);
      if (expr::contains_window(*predicate)) return text_.error("window functions are not allowed in WHERE; filter a subquery", -1);
      ARROW_ASSIGN_OR_RAISE(input.plan, plan::make_filter(input.plan, std::move(predicate)));
    }
    ARROW_ASSIGN_OR_RAISE(std::vector<Output> outputs, select_list(s, input.scope, expressions));
    ARROW_ASSIGN_OR_RAISE(std::vector<OrderItem> order, order_items(s, outputs, expressions));
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, grouped(s, input.plan, outputs, order, expressions));
    std::vector<NodePtr*> inside;
    for (Output& o : outputs) inside.push_back(&o.expr);
    for (OrderItem& o : order) {
      if (o.expr) inside.push_back(&o.expr);
    }
    ARROW_ASSIGN_OR_RAISE(plan, plan::add_windows(std::move(plan), inside));
    return finish(s, std::move(plan), outputs, order);
  }

 private:
  arrow::Status refuse(const PgQuery__SelectStmt& s) const {
    if (s.with_clause) return text_.error("WITH is not supported yet", s.with_clause->location);
    if (s.n_values_lists > 0) return text_.error("VALUES is not supported yet", -1);
    if (s.into_clause) return text_.error("SELECT INTO is not supported", -1);
    if (s.n_locking_clause > 0) return text_.error("FOR UPDATE is not supported", -1);
    if (s.op == PG_QUERY__SET_OPERATION__SETOP_NONE && s.n_from_clause == 0)
      return text_.error("SELECT without FROM is not supported yet", -1);
    return arrow::Status::OK();
  }

  arrow::Result<PlanPtr> lower_union(const PgQuery__SelectStmt& s) {
    if (s.op != PG_QUERY__SET_OPERATION__SETOP_UNION) return text_.error("INTERSECT and EXCEPT are not supported yet", -1);
    ARROW_ASSIGN_OR_RAISE(PlanPtr left, lower(*s.larg));
    ARROW_ASSIGN_OR_RAISE(PlanPtr right, lower(*s.rarg));
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
    return finish(s, std::move(plan), outputs, order);
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
                                 const ExpressionLowering& expressions) const {
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
    }
    bool aggregates = s.n_group_clause > 0 || s.having_clause;
    for (const auto& o : outputs) aggregates |= expr::contains_aggregate(*o.expr);
    for (const auto& o : order) aggregates |= o.expr && expr::contains_aggregate(*o.expr);
    if (!aggregates) return input;
    Grouping grouping(std::move(keys));
    for (auto& o : outputs) {
      ARROW_ASSIGN_OR_RAISE(o.expr, grouping.rewrite(o.expr));
    }
    for (auto& o : order) {
      if (o.expr) {
        ARROW_ASSIGN_OR_RAISE(o.expr, grouping.rewrite(o.expr));
      }
    }
    NodePtr having;
    if (s.having_clause) {
      ARROW_ASSIGN_OR_RAISE(having, expressions.lower(*s.having_clause));
      if (expr::contains_window(*having)) return text_.error("window functions are not allowed in HAVING; filter a subquery", -1);
      ARROW_ASSIGN_OR_RAISE(having, grouping.rewrite(having));
    }
    ARROW_ASSIGN_OR_RAISE(PlanPtr plan, grouping.apply(std::move(input)));
    return having ? plan::make_filter(plan, having) : plan;
  }

  arrow::Result<PlanPtr> finish(const PgQuery__SelectStmt& s, PlanPtr plan, const std::vector<Output>& outputs,
                                const std::vector<OrderItem>& order) const {
    const bool distinct = s.n_distinct_clause > 0;
    if (distinct && s.distinct_clause[0]->node_case != PG_QUERY__NODE__NODE__NOT_SET)
      return text_.error("DISTINCT ON is not supported yet", -1);
    if (!distinct && !order.empty()) {
      std::vector<plan::SortBy> by;
      for (const auto& o : order)
        by.push_back({o.expr ? o.expr : outputs[static_cast<size_t>(o.output)].expr, o.descending, o.nulls_first});
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
    return limited(s, std::move(plan));
  }

  arrow::Result<PlanPtr> limited(const PgQuery__SelectStmt& s, PlanPtr plan) const {
    if (s.limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES) return text_.error("WITH TIES is not supported yet", -1);
    if (!s.limit_count && !s.limit_offset) return plan;
    ARROW_ASSIGN_OR_RAISE(int64_t count, row_number(s.limit_count, "LIMIT", -1));
    ARROW_ASSIGN_OR_RAISE(int64_t offset, row_number(s.limit_offset, "OFFSET", 0));
    return plan::make_limit(std::move(plan), offset, count);
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
};

}  // namespace

arrow::Result<plan::PlanPtr> lower_statement(const ParsedText& text, const TableLookup& tables) {
  const PgQuery__Node& statement = text.statement();
  if (statement.node_case != PG_QUERY__NODE__NODE_SELECT_STMT) return text.error("only SELECT is supported so far", -1);
  return SelectLowering(text, tables).lower(*statement.select_stmt);
}

}  // namespace gristmill::sqltext
