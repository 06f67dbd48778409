// unnest(list) in a select list: a row for each entry.
//
//   select id, unnest(tags) from t           t's rows as often as they have tags; none for an empty or a NULL list
//   select unnest(a), unnest(b) from t       side by side, NULL where one is shorter
//
// Taken apart when all but DISTINCT, ORDER BY and LIMIT is done, as in PostgreSQL; when GROUP BY names it, before the groups.
#pragma once

#include <vector>

#include "expr/node.h"
#include "plan/logical.h"
#include "sql/lower_expr.h"
#include "sql/select_parts.h"

namespace gristmill::sqltext {

inline constexpr const char* kUnnestCall = "$unnest";

bool contains_unnest(const expr::Node& e);
// The placeholder of a call, for a select list.
arrow::Result<expr::NodePtr> unnest_call(const PgQuery__FuncCall& f, const ExpressionLowering& expressions, const ParsedText& text);
// Refuses it inside aggregates and window functions.
arrow::Status check_unnest(const std::vector<Output>& outputs, const ParsedText& text);
// The calls in `outputs` taken apart: they become columns.
bool any_unnest(const std::vector<Output>& outputs);
arrow::Result<plan::PlanPtr> unnest_outputs(plan::PlanPtr plan, std::vector<Output>& outputs);
// The calls in group keys; they become columns in the keys and in all of `elsewhere`.
arrow::Result<plan::PlanPtr> unnest_keys(plan::PlanPtr plan, std::vector<expr::NodePtr>& keys, std::vector<expr::NodePtr*> elsewhere);

}  // namespace gristmill::sqltext
