// The select list as outputs, and what ORDER BY says in terms of them.
#pragma once

#include <vector>

#include <arrow/result.h>

#include "expr/node.h"
#include "sql/lower_expr.h"
#include "sql/parse.h"
#include "sql/select_parts.h"

namespace gristmill::sqltext {

arrow::Result<std::vector<Output>> select_list(const PgQuery__SelectStmt& s, const Scope& scope, const ExpressionLowering& expressions,
                                               const ParsedText& text);

// The output that a node of `clause` means, or -1: a whole number is a position, a plain name (where `names`) an output's name, anything
// else an expression over the input.
arrow::Result<int> output_position(const PgQuery__Node& n, const std::vector<Output>& outputs, const char* clause, bool names,
                                   const ParsedText& text);

struct OrderItem {
  expr::NodePtr expr;  // over the input; null when `output` is set
  int output = -1;     // position in the select list
  bool descending = false;
  bool nulls_first = false;
};
arrow::Result<std::vector<OrderItem>> order_items(const PgQuery__SelectStmt& s, const std::vector<Output>& outputs,
                                                  const ExpressionLowering& expressions, const ParsedText& text);

}  // namespace gristmill::sqltext
