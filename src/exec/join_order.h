// Puts joined rows into output order where the join could not produce them in it: a stable (spilling) sort by hidden
// columns at the end of the rows, which then go.
#pragma once

#include <vector>

#include "exec/breaker.h"
#include "exec/join_shape.h"

namespace gristmill::exec {

// Rows of `types` followed by `hidden` uint64 columns; sorted by `keys` (columns, first most significant); the first `kept`
// columns leave.
arrow::Result<Breaker> make_join_order(std::vector<column::TypePtr> types, int hidden, std::vector<int> keys, int kept, const std::string& label,
                                       const QueryContext& context);

// Types of the output columns.
std::vector<column::TypePtr> output_types(const JoinShape& shape);

}  // namespace gristmill::exec
