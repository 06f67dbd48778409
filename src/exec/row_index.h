// Operators that put a column with the number of each row before the others; see row_index.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "exec/operator.h"

namespace gristmill::exec {

// The number a row has in its scan. For sources whose rows carry it (Source::numbers_rows).
std::shared_ptr<const Operator> make_origin_index(const std::string& name, int64_t offset);
// Counts the rows as they come: only in a sequential pipeline, one operator for all its branches.
std::shared_ptr<const Operator> make_running_index(const std::string& name, int64_t offset);
// Numbers that rise in the order of rows and have gaps.
std::shared_ptr<const Operator> make_row_position(const std::string& name);

}  // namespace gristmill::exec
