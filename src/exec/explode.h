// One row per list element; see explode.cc.
#pragma once

#include <memory>
#include <vector>

#include "exec/operator.h"

namespace gristmill::exec {

// `columns`: positions of list columns of equal lengths per row.
std::shared_ptr<const Operator> make_explode(std::vector<int> columns, std::string label);

}  // namespace gristmill::exec
