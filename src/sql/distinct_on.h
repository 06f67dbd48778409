// DISTINCT ON: the first row for each value, in the order of rows. Over the input's columns, which stay.
#pragma once

#include <vector>

#include "plan/logical.h"
#include "sql/dependent.h"
#include "sql/lower_expr.h"
#include "sql/select_parts.h"

namespace gristmill::sqltext {

arrow::Result<plan::PlanPtr> first_of_each(const PgQuery__SelectStmt& s, plan::PlanPtr plan, const std::vector<Output>& outputs,
                                           const ExpressionLowering& expressions, const Dependence* d, const ParsedText& text);

}  // namespace gristmill::sqltext
