// Row values: (a, b) = (c, d), (a, b) < (c, d), (a, b) in ((1, 2), (3, 4)), (a, b) is null.
#pragma once

#include <vector>

#include "expr/node.h"
#include "sql/parse.h"

namespace gristmill::sqltext {

using Row = std::vector<expr::NodePtr>;

bool is_row(const PgQuery__Node* n);
// `op`: = <> < <= > >=, or "distinct" and "not distinct". Rows of equal lengths; NULLs as in comparisons of their parts.
arrow::Result<expr::NodePtr> compare_rows(const std::string& op, const Row& a, const Row& b, const ParsedText& text, int location);

}  // namespace gristmill::sqltext
