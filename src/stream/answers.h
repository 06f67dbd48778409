// Which plans can answer over a source that never ends, and which of their tables the rows flow from.
#pragma once

#include <vector>

#include "stream/tables.h"

namespace gristmill::stream {

// A plan error for steps that would wait for the end of an endless source.
arrow::Status check_answers(const plan::Plan& plan);

// The stream table whose rows go through row-wise steps only to the plan's result; null where there is none.
const StreamTable* streaming_table(const plan::Plan& plan);

// Users' operators between that table and the plan's end, the nearest to the table first.
std::vector<const UserTable*> users_on_the_way(const plan::Plan& plan);

}  // namespace gristmill::stream
