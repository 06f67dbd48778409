// Names of several parts: which of them say a column, and which a field of the struct that it holds.
//
//   zone               a column                          trips.zone           a table's column, if there is such a table with such a column
//   address.city       else a column and its field       trips.address.city   a table's column and its field
//
// Fields are found as columns are: the exact name first, then the one that differs in case only.
#pragma once

#include <string>
#include <vector>

#include "expr/node.h"
#include "sql/lower_expr.h"
#include "sql/select_parts.h"

namespace gristmill::sqltext {

arrow::Result<expr::NodePtr> column_or_field(const PgQuery__ColumnRef& c, const Scope& scope, const ParsedText& text);

// A field of `x`; where its type is not known here, binding finds the field by its exact name.
arrow::Result<expr::NodePtr> field_of(expr::NodePtr x, const std::string& name, const Scope& scope, const ParsedText& text, int location);

// s.*, t.s.* and (s).*: an output for each field. False where `n` is none of them.
arrow::Result<bool> struct_star(const PgQuery__Node& n, const ExpressionLowering& expressions, const ParsedText& text,
                                std::vector<Output>& out);

}  // namespace gristmill::sqltext
