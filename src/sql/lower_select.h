// SELECT statements to plans.
#pragma once

#include <arrow/result.h>

#include "plan/logical.h"
#include "sql/parse.h"
#include "sql/query.h"
#include "sql/scope.h"

namespace gristmill::sqltext {

// A query, its columns named for further lowering.
arrow::Result<Query> lower_query(const PgQuery__SelectStmt& select, const ParsedText& text, const TableLookup& tables);

}  // namespace gristmill::sqltext
