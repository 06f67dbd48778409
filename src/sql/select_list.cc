// Stars, fields and names of a select list; positions, names and expressions of ORDER BY.

#include "sql/select_list.h"

#include <iterator>
#include <string>
#include <utility>

#include "base/status.h"
#include "sql/struct_fields.h"

namespace gristmill::sqltext {

using expr::NodePtr;

arrow::Result<std::vector<Output>> select_list(const PgQuery__SelectStmt& s, const Scope& scope, const ExpressionLowering& expressions,
                                               const ParsedText& text) {
  std::vector<Output> out;
  for (size_t i = 0; i < s.n_target_list; ++i) {
    const PgQuery__ResTarget& t = *s.target_list[i]->res_target;
    if (is_marker(*t.val, kStarMarker)) {
      ARROW_RETURN_NOT_OK(edited_star(*t.val->func_call, scope, expressions, text, out));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const bool fields, struct_star(*t.val, expressions, text, out));
    if (fields) continue;
    if (t.val->node_case == PG_QUERY__NODE__NODE_COLUMN_REF) {
      const PgQuery__ColumnRef& c = *t.val->column_ref;
      if (c.fields[c.n_fields - 1]->node_case == PG_QUERY__NODE__NODE_A_STAR) {
        const std::string of = c.n_fields > 1 ? c.fields[0]->string->sval : "";
        for (const auto& column : scope.columns) {
          if (of.empty() ? !column.qualified_only : equal_ignoring_case(column.table, of))
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

arrow::Result<int> output_position(const PgQuery__Node& n, const std::vector<Output>& outputs, const char* clause, bool names,
                                   const ParsedText& text) {
  if (n.node_case == PG_QUERY__NODE__NODE_A_CONST && n.a_const->val_case == PG_QUERY__A__CONST__VAL_IVAL) {
    const int position = n.a_const->ival->ival;
    if (position < 1 || position > static_cast<int>(outputs.size())) {
      return text.error(std::string(clause) + " position " + std::to_string(position) + " is not in the select list",
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
                                                  const ExpressionLowering& expressions, const ParsedText& text) {
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
    ARROW_ASSIGN_OR_RAISE(item.output, output_position(*by.node, outputs, "ORDER BY", true, text));
    if (item.output < 0) {
      ARROW_ASSIGN_OR_RAISE(item.expr, expressions.lower(*by.node));
    }
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace gristmill::sqltext
