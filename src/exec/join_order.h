// Puts joined rows into output order where the join could not produce them in it: a stable (spilling) sort by a hidden
// last column, which then goes.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "exec/breaker.h"
#include "exec/join_shape.h"

namespace gristmill::exec {

// Asked when the sorted rows are read: the error that stands before the rows from this number on.
using StopAt = std::function<std::optional<std::pair<uint64_t, arrow::Status>>()>;

// Rows of `types`, sorted by the last column (uint64, no nulls), which does not leave. Equal numbers keep their positions.
arrow::Result<Breaker> make_join_order(std::vector<column::TypePtr> types, const std::string& label, const QueryContext& context,
                                       StopAt stop = nullptr);

// Types of the output columns.
std::vector<column::TypePtr> output_types(const JoinShape& shape);

}  // namespace gristmill::exec
