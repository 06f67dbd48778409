// OVER clauses and named windows.
#pragma once

#include <map>
#include <string>

#include <arrow/result.h>

#include "expr/window.h"
#include "sql/lower_expr.h"

namespace gristmill::sqltext {

// The window clause of a select: name to definition.
arrow::Result<NamedWindows> named_windows(const PgQuery__SelectStmt& s, const ParsedText& text);

// The window function of a call with an OVER clause. `aggregate`: the call without it, when that is an aggregate.
arrow::Result<expr::NodePtr> lower_window_call(const PgQuery__FuncCall& f, const std::string& name, std::vector<expr::NodePtr> args,
                                               const expr::NodePtr& aggregate, const ExpressionLowering& expressions,
                                               const ParsedText& text, const NamedWindows* windows);

}  // namespace gristmill::sqltext
