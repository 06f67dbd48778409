// WITH RECURSIVE: a query that reads what it gave before, until it gives nothing new.
#pragma once

#include "sql/parse.h"
#include "sql/query.h"
#include "sql/with_clause.h"

namespace gristmill::sqltext {

// The query of `cte`, which may name itself in the right part of a UNION; one that does not is lowered as any other.
arrow::Result<Query> lower_recursive(const PgQuery__CommonTableExpr& cte, const PgQuery__SelectStmt& select, const ParsedText& text,
                                     const TableLookup& outer, const LowerQuery& lower);

}  // namespace gristmill::sqltext
