// Small expressions that all steps share: seconds to hours, bytes to gigabytes, NULLs of a type.
#pragma once

#include "gristmill/expr.h"

namespace ocp {

gristmill::Expr hours(gristmill::Expr seconds);
gristmill::Expr gigabytes(gristmill::Expr bytes);  // times 2^-30
gristmill::Expr no_number();
gristmill::Expr no_text();

}  // namespace ocp
