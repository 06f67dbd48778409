// LIMIT, OFFSET and FETCH FIRST ... WITH TIES.
#pragma once

#include <vector>

#include "plan/logical.h"
#include "plan/nodes.h"
#include "sql/outer.h"
#include "sql/parse.h"

namespace gristmill::sqltext {

// `by`: what the rows are ordered by, for WITH TIES.
arrow::Result<plan::PlanPtr> limited(const PgQuery__SelectStmt& s, plan::PlanPtr plan, const std::vector<plan::SortBy>& by, Dependence* d,
                                     const ParsedText& text);

// LIMIT of a correlated subquery: for each of the values of the outer columns.
arrow::Result<plan::PlanPtr> limited_each(const PgQuery__SelectStmt& s, plan::PlanPtr plan, Dependence& d, const ParsedText& text);

}  // namespace gristmill::sqltext
