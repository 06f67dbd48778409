// What a bound comparison remembers.
#pragma once

#include "column/kernels.h"
#include "expr/registry.h"

namespace gristmill::expr {

struct CompareState final : FunctionState {
  explicit CompareState(column::CompareOp o) : op(o) {}
  column::CompareOp op;
};

}  // namespace gristmill::expr
