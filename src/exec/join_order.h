// Puts joined rows into output order where the join could not produce them in it: a stable (spilling) sort by a hidden
// last column, which then goes.
#pragma once

#include <vector>

#include "exec/breaker.h"
#include "exec/join_shape.h"

namespace gristmill::exec {

// Rows of `types`, sorted by the last column (uint64, no nulls), which does not leave. Equal numbers keep their positions.
arrow::Result<Breaker> make_join_order(std::vector<column::TypePtr> types, const std::string& label, const QueryContext& context);

// Types of the output columns.
std::vector<column::TypePtr> output_types(const JoinShape& shape);

}  // namespace gristmill::exec
