// Counts are constants. WITH TIES is a filter on ranks.

#include "sql/limit.h"

#include <string>
#include <utility>

#include "base/status.h"
#include "expr/window.h"
#include "sql/dependent.h"
#include "sql/lower_expr.h"
#include "sql/query.h"
#include "sql/select_parts.h"

namespace gristmill::sqltext {
namespace {

using expr::NodePtr;
using plan::PlanPtr;

arrow::Result<int64_t> row_number(const PgQuery__Node* n, const char* clause, int64_t fallback, const ParsedText& text) {
  if (!n || (n->node_case == PG_QUERY__NODE__NODE_A_CONST && n->a_const->isnull)) return fallback;
  ARROW_ASSIGN_OR_RAISE(const NodePtr e, ExpressionLowering(text, Scope{}).lower(*n));
  const auto value = constant_integer(e);
  if (!value) return text.error(std::string(clause) + " must be a whole number", -1);
  if (*value < 0) return text.error(std::string(clause) + " must not be negative", -1);
  return *value;
}

// As many rows as there are places up to the last, and those that tie with it.
arrow::Result<PlanPtr> with_ties(PlanPtr plan, const std::vector<plan::SortBy>& by, int64_t offset, int64_t count,
                                 const ParsedText& text) {
  if (by.empty()) return text.error("WITH TIES needs ORDER BY", -1);
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

}  // namespace

arrow::Result<PlanPtr> limited(const PgQuery__SelectStmt& s, PlanPtr plan, const std::vector<plan::SortBy>& by, Dependence* d,
                               const ParsedText& text) {
  if (!s.limit_count && !s.limit_offset) return plan;
  ARROW_ASSIGN_OR_RAISE(int64_t count, row_number(s.limit_count, "LIMIT", -1, text));
  ARROW_ASSIGN_OR_RAISE(int64_t offset, row_number(s.limit_offset, "OFFSET", 0, text));
  if (s.limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES && count >= 0)
    return with_ties(std::move(plan), by, offset, count, text);
  if (d && count >= 0 && count <= 1) d->at_most_one = true;
  return plan::make_limit(std::move(plan), offset, count);
}

arrow::Result<PlanPtr> limited_each(const PgQuery__SelectStmt& s, PlanPtr plan, Dependence& d, const ParsedText& text) {
  if (!s.limit_count && !s.limit_offset) return plan;
  if (s.limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES)
    return text.error("WITH TIES in a subquery that refers to the query around it is not supported yet", -1);
  ARROW_ASSIGN_OR_RAISE(int64_t count, row_number(s.limit_count, "LIMIT", -1, text));
  ARROW_ASSIGN_OR_RAISE(int64_t offset, row_number(s.limit_offset, "OFFSET", 0, text));
  if (count >= 0 && count <= 1) d.at_most_one = true;
  if (d.want == Dependence::Want::kExists && count != 0 && offset == 0) return plan;
  std::vector<NodePtr> parts;
  for (const std::string& c : d.outer_columns(*plan)) parts.push_back(expr::column(c));
  return limit_each(std::move(plan), d, std::move(parts), offset, count);
}

}  // namespace gristmill::sqltext
