// Small expressions that all steps share: seconds to hours, bytes to gigabytes, NULLs of a type.
#pragma once

#include <string>
#include <vector>

#include "gristmill/expr.h"

namespace ocp {

gristmill::Expr hours(gristmill::Expr seconds);
gristmill::Expr gigabytes(gristmill::Expr bytes);  // times 2^-30
gristmill::Expr no_number();
gristmill::Expr no_text();
// Objects of labels as JSON text: only some keys; several merged, a later one's value where keys are equal.
gristmill::Expr label_object(gristmill::Expr json, const std::vector<std::string>& keys);
gristmill::Expr merged_labels(std::vector<gristmill::Expr> objects);
// numeric(33,15) of a double as PostgreSQL casts it: 15 significant digits, then 15 places.
gristmill::Expr numeric(gristmill::Expr value);

}  // namespace ocp
