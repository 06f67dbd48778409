// SQL's aggregates: their names and what stands in and behind their parentheses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>

#include "sql/lower_expr.h"

namespace gristmill::sqltext {

bool is_aggregate_name(std::string_view name);
std::vector<std::string> sql_aggregate_names();
arrow::Result<expr::NodePtr> lower_aggregate(const PgQuery__FuncCall& f, const std::string& name, const ExpressionLowering& expressions,
                                             const ParsedText& text);

}  // namespace gristmill::sqltext
