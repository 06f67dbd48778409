// Users' functions over batches of a fixed number of rows; see batch_functions.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "exec/operator.h"
#include "expr/window.h"

namespace gristmill::exec {

// One operator for all branches of a sequential pipeline, and the source of the rows that it still holds at their end.
struct BatchFunctions {
  std::shared_ptr<const Operator> op;
  std::shared_ptr<Source> rest;
};
BatchFunctions make_batch_functions(std::vector<expr::BoundWindow> functions, std::string label);

}  // namespace gristmill::exec
