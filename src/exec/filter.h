// Keeps the rows for which the predicate is true; see filter.cc.
#pragma once

#include <memory>
#include <string>

#include "exec/operator.h"
#include "expr/bind.h"

namespace gristmill::exec {

std::shared_ptr<const Operator> make_filter(expr::BoundPtr predicate, std::string label);

}  // namespace gristmill::exec
