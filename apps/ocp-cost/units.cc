#include "units.h"

#include <arrow/scalar.h>
#include <arrow/type.h>

namespace ocp {

using gristmill::Expr;

Expr hours(Expr seconds) { return seconds / 3600.0; }
Expr gigabytes(Expr bytes) { return bytes * 0x1p-30; }
Expr no_number() { return gristmill::lit(arrow::MakeNullScalar(arrow::float64())); }
Expr no_text() { return gristmill::lit(arrow::MakeNullScalar(arrow::utf8())); }

}  // namespace ocp
