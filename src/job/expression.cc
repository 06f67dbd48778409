// SQL expressions of job files as nodes: the grammar and the lowering are SQL's, the scope is the columns of a step.
//
// A field of a struct column may be written column.field, as a table's column is in a query.

#include <arrow/type.h>

#include "base/status.h"
#include "job/transform.h"
#include "sql/lower_expr.h"
#include "sql/parse.h"
#include "sql/scope.h"

namespace gristmill::job {
namespace {

constexpr char kFieldMark = '\x1f';  // between a struct column and its field, in names that only stand here

sqltext::Scope scope_of(const arrow::Schema& schema) {
  sqltext::Scope scope;
  for (const auto& f : schema.fields()) {
    scope.columns.push_back({"", f->name(), f->name(), false});
    if (f->type()->id() != arrow::Type::STRUCT) continue;
    for (const auto& inner : f->type()->fields()) {
      scope.columns.push_back({f->name(), inner->name(), f->name() + kFieldMark + inner->name(), true});
    }
  }
  return scope;
}

expr::NodePtr with_fields(const expr::NodePtr& node) {
  return expr::rewrite(node, [](const expr::NodePtr& n) -> expr::NodePtr {
    if (n->kind != expr::NodeKind::kColumn) return n;
    const size_t mark = n->name.find(kFieldMark);
    if (mark == std::string::npos) return n;
    return expr::call("struct.field", {expr::column(n->name.substr(0, mark)), expr::literal(std::string_view(n->name).substr(mark + 1))});
  });
}

bool contains_window(const expr::Node& n) {
  if (n.kind == expr::NodeKind::kWindow) return true;
  for (const auto& a : n.args) {
    if (contains_window(*a)) return true;
  }
  return false;
}

// The first line says what is wrong; the lines below it point into a text that the user did not write.
arrow::Status in_expression(const arrow::Status& status, const std::string& text) {
  const auto detail = base::error_detail(status);
  const std::string& message = status.message();
  return base::plan_error(message.substr(0, message.find('\n')) + ", in \"" + text + "\"", detail ? detail->hint : std::string());
}

arrow::Result<expr::NodePtr> lower(const std::string& text, const arrow::Schema& schema) {
  ARROW_ASSIGN_OR_RAISE(const sqltext::ParsedText parsed, sqltext::ParsedText::parse("select\n" + text));
  const PgQuery__Node& statement = parsed.statement();
  if (statement.node_case != PG_QUERY__NODE__NODE_SELECT_STMT) return base::plan_error("this is no expression");
  const PgQuery__SelectStmt& s = *statement.select_stmt;
  const bool bare = s.n_target_list == 1 && s.n_from_clause == 0 && s.where_clause == nullptr && s.n_group_clause == 0 &&
                    s.having_clause == nullptr && s.n_sort_clause == 0 && s.limit_count == nullptr && s.n_values_lists == 0 &&
                    s.n_window_clause == 0 && s.larg == nullptr && s.n_distinct_clause == 0 && s.limit_offset == nullptr;
  if (!bare) return base::plan_error("this is not one expression", "whole queries stand in an sql step");
  const PgQuery__ResTarget& target = *s.target_list[0]->res_target;
  if (target.name != nullptr && *target.name != '\0') return base::plan_error("an expression has no name of its own here");
  const sqltext::Scope scope = scope_of(schema);
  ARROW_ASSIGN_OR_RAISE(expr::NodePtr node, sqltext::ExpressionLowering(parsed, scope).lower(*target.val));
  node = with_fields(node);
  if (expr::contains_aggregate(*node) || contains_window(*node)) {
    return base::plan_error("an aggregate or window function needs more than its row", "an sql step computes it");
  }
  return node;
}

}  // namespace

arrow::Result<expr::NodePtr> parse_expression(const std::string& text, const arrow::Schema& schema) {
  auto node = lower(text, schema);
  if (node.ok() || base::error_kind(node.status()) != base::ErrorKind::kPlan) return node;
  return in_expression(node.status(), text);
}

}  // namespace gristmill::job
