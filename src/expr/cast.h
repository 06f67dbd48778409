// Conversions between types: explicit casts, and the implicit ones bind() writes.
//
// A value that does not fit is a data error `cannot cast "abc" to int64`, or NULL when lenient. A float to an integer
// truncates toward zero, or rounds half to even with `round`; a decimal to an integer truncates, or rounds half away from zero.
#pragma once

#include <arrow/result.h>

#include "column/types.h"
#include "expr/registry.h"

namespace gristmill::expr {

// How to convert; a plan error when there is no such cast. Types are canonical and differ.
arrow::Result<Signature> prepare_cast(const column::TypePtr& from, const column::TypePtr& to, bool lenient, bool round);
// The functions "cast" and "try_cast": reached through NodeKind::kCast, not by name.
const Function& cast_function(bool lenient);

}  // namespace gristmill::expr
