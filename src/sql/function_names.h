// What PostgreSQL and DuckDB call the engine's functions, beside the names that lower_expr.cc knows itself.
#pragma once

#include <string_view>
#include <vector>

#include "expr/node.h"

namespace gristmill::sqltext {

// The call that `name` stands for, or nullptr if no such name is known here. Arguments are put in the engine's order.
expr::NodePtr named_call(std::string_view name, const std::vector<expr::NodePtr>& args);
// x ~ 'pattern', ~* (ignoring case), !~, !~*; nullptr for another operator.
expr::NodePtr regex_operator(std::string_view op, const expr::NodePtr& text, const expr::NodePtr& pattern);
// json -> 'key', json -> 0, json -> '$.path' (as JSON), ->> (as text); nullptr for another operator.
expr::NodePtr json_operator(std::string_view op, const expr::NodePtr& json, const expr::NodePtr& step);
// The engine's function of extract(part from x), or nullptr.
const char* extract_function(std::string_view part);
// For "did you mean".
std::vector<std::string> sql_function_names();

}  // namespace gristmill::sqltext
