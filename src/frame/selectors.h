// Expressions over several columns become one expression a column, once a frame's schema is known; see selectors.cc.
#pragma once

#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "expr/node.h"
#include "gristmill/expr.h"

namespace gristmill::frame {

// The expressions with every selector replaced by the columns it picks: one expression for each of them, in the schema's order.
// Several selectors in one expression go side by side and must pick equally many columns.
arrow::Result<std::vector<expr::NodePtr>> expand(const std::vector<Expr>& exprs, const arrow::Schema& schema);

}  // namespace gristmill::frame
