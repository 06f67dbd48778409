// Bottom-up application of a local rewrite; shared subtrees are visited once and stay shared.
#pragma once

#include <functional>

#include "plan/logical.h"

namespace gristmill::plan {

// `local` sees each node after its inputs were rewritten and returns the node itself or another.
arrow::Result<PlanPtr> rewrite_bottom_up(const PlanPtr& plan, const std::function<arrow::Result<PlanPtr>(const PlanPtr&)>& local);

}  // namespace gristmill::plan
