// The family of list_range.cc.
#pragma once

#include <vector>

#include "expr/registry.h"

namespace gristmill::expr {

std::vector<Function> list_range_functions();

}  // namespace gristmill::expr
