// WITH: queries by name for the query behind them.
#pragma once

#include <functional>

#include "sql/parse.h"
#include "sql/query.h"

namespace gristmill::sqltext {

using LowerQuery = std::function<arrow::Result<Query>(const PgQuery__SelectStmt&, const TableLookup&)>;

// A lookup that knows the queries of the clause, then what `outer` knows. Each sees those before it; one of WITH RECURSIVE itself.
arrow::Result<TableLookup> with_tables(const PgQuery__WithClause& with, const ParsedText& text, const TableLookup& outer,
                                       const LowerQuery& lower);

// `query` with its first columns called as in `names`; `what` is its own name, for the error.
arrow::Result<Query> rename_columns(Query query, PgQuery__Node* const* names, size_t n, const std::string& what, const ParsedText& text,
                                    int location);

}  // namespace gristmill::sqltext
