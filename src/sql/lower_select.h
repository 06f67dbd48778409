// SELECT statements to plans.
#pragma once

#include <functional>
#include <string>

#include <arrow/result.h>

#include "plan/logical.h"
#include "sql/parse.h"
#include "sql/scope.h"

namespace gristmill::sqltext {

// Finds a table by the name in the query (as written, and in lower case unless quoted).
using TableLookup = std::function<arrow::Result<plan::PlanPtr>(const std::string& name)>;

arrow::Result<plan::PlanPtr> lower_statement(const ParsedText& text, const TableLookup& tables);

}  // namespace gristmill::sqltext
