// Constants become a table in memory, column by column; a row that holds anything else is computed from one row of nothing.

#include "sql/values.h"

#include <arrow/array/builder_base.h>
#include <arrow/builder.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "base/status.h"
#include "expr/bind.h"
#include "expr/promotion.h"
#include "frame/kept_table.h"
#include "frame/memory_table.h"
#include "io/range_source.h"
#include "plan/expressions.h"
#include "sql/lower_expr.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;

struct Cell {
  NodePtr expr;
  expr::BoundPtr bound;
};
using Rows = std::vector<std::vector<Cell>>;

arrow::Result<Rows> lower_cells(PgQuery__Node* const* lists, size_t n, const ParsedText& text, bool defaults) {
  const Scope nothing;
  const ExpressionLowering expressions(text, nothing);
  const arrow::Schema none({});
  Rows rows;
  for (size_t r = 0; r < n; ++r) {
    const PgQuery__List& list = *lists[r]->list;
    if (r > 0 && list.n_items != rows[0].size()) return base::plan_error("the rows of VALUES must all have the same number of columns");
    std::vector<Cell> row;
    for (size_t c = 0; c < list.n_items; ++c) {
      Cell cell;
      if (list.items[c]->node_case == PG_QUERY__NODE__NODE_SET_TO_DEFAULT) {
        if (!defaults) return text.error("DEFAULT stands only in INSERT", list.items[c]->set_to_default->location);
        cell.expr = expr::null_literal();
      } else {
        ARROW_ASSIGN_OR_RAISE(cell.expr, expressions.lower(*list.items[c]));
        if (expr::contains_aggregate(*cell.expr)) return base::plan_error("aggregates are not allowed in VALUES");
      }
      ARROW_ASSIGN_OR_RAISE(cell.bound, expr::bind(cell.expr, none));
      row.push_back(std::move(cell));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

bool is_unknown(const Cell& c) {
  if (c.bound->type->id() == arrow::Type::NA) return true;
  return c.expr->kind == expr::NodeKind::kLiteral && c.expr->untyped && column::is_text(*c.bound->type);
}

arrow::Result<column::TypePtr> type_of_column(const Rows& rows, size_t c) {
  bool all_unknown = true;
  for (const auto& row : rows) all_unknown = all_unknown && is_unknown(row[c]);
  column::TypePtr type;
  for (const auto& row : rows) {
    if (is_unknown(row[c]) && !all_unknown) continue;
    const auto& own = row[c].bound->type;
    if (type && type->Equals(*own)) continue;
    const auto both = type ? expr::common_type(type, own) : own;
    if (!both) {
      return base::plan_error("column " + std::to_string(c + 1) + " of VALUES is " + column::type_text(*type) + " in one row and " +
                                  column::type_text(*own) + " in another",
                              "cast one of them");
    }
    type = both;
  }
  return type;
}

// Nothing when some cell is no constant.
arrow::Result<std::shared_ptr<arrow::Array>> constants(const Rows& rows, size_t c, const column::TypePtr& type) {
  ARROW_ASSIGN_OR_RAISE(auto builder, arrow::MakeBuilder(column::kept_type(type)));
  for (const auto& row : rows) {
    ARROW_ASSIGN_OR_RAISE(const auto value, expr::bind_cast(row[c].bound, type));
    if (value->kind != expr::BoundKind::kConstant) return nullptr;
    ARROW_RETURN_NOT_OK(value->value->is_valid ? builder->AppendScalar(*value->value) : builder->AppendNull());
  }
  return builder->Finish();
}

arrow::Result<plan::PlanPtr> computed(const Rows& rows, const std::vector<column::TypePtr>& types, const std::vector<std::string>& names) {
  std::vector<plan::PlanPtr> inputs;
  for (const auto& row : rows) {
    std::vector<NodePtr> outputs;
    for (size_t c = 0; c < row.size(); ++c) {
      const bool fits = row[c].bound->type->Equals(*types[c]);
      outputs.push_back(expr::alias(fits ? row[c].expr : expr::cast(row[c].expr, types[c]), names[c]));
    }
    ARROW_ASSIGN_OR_RAISE(auto one, one_row());
    ARROW_ASSIGN_OR_RAISE(auto input, plan::make_project(std::move(one), std::move(outputs)));
    inputs.push_back(std::move(input));
  }
  return plan::make_union(std::move(inputs));
}

}  // namespace

arrow::Result<plan::PlanPtr> one_row() {
  ARROW_ASSIGN_OR_RAISE(auto source, io::scan_range(0, 1, 1, "$row"));
  return plan::make_scan(std::move(source));
}

arrow::Result<Query> lower_values(PgQuery__Node* const* lists, size_t n, const ParsedText& text, bool defaults) {
  ARROW_ASSIGN_OR_RAISE(const Rows rows, lower_cells(lists, n, text, defaults));
  Query out;
  std::vector<column::TypePtr> types;
  arrow::FieldVector border;
  for (size_t c = 0; c < rows[0].size(); ++c) {
    out.names.push_back("column" + std::to_string(c + 1));
    ARROW_ASSIGN_OR_RAISE(auto type, type_of_column(rows, c));
    bool unknown = true;
    for (const auto& row : rows) unknown = unknown && is_unknown(row[c]);
    out.unknown.push_back(unknown);
    border.push_back(arrow::field(out.names[c], plan::border_type(type)));
    types.push_back(std::move(type));
  }
  arrow::ArrayVector arrays;
  for (size_t c = 0; c < types.size(); ++c) {
    ARROW_ASSIGN_OR_RAISE(auto array, constants(rows, c, types[c]));
    if (!array) {
      ARROW_ASSIGN_OR_RAISE(out.plan, computed(rows, types, out.names));
      return out;
    }
    arrays.push_back(std::move(array));
  }
  const auto schema = arrow::schema(std::move(border));
  const auto table = arrow::Table::Make(frame::kept_schema(*schema), std::move(arrays), static_cast<int64_t>(rows.size()));
  ARROW_ASSIGN_OR_RAISE(auto source, frame::make_memory_table(table, schema));
  ARROW_ASSIGN_OR_RAISE(out.plan, plan::make_scan(std::move(source)));
  return out;
}

}  // namespace gristmill::sqltext
