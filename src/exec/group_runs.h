// Keys that stand in runs, as in a table sorted by them or written thing by thing: only the first row of each run needs to be looked up.
//
// Told from the columns as they lie, before anything is encoded or hashed. Rows taken for different may be equal, never the other way
// round: what is found changes nothing but the time taken.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "column/column.h"

namespace gristmill::exec {

// Where runs start among n rows. False: runs are short, or the keys are of a kind that is not compared here.
bool find_key_runs(std::span<const column::Column> keys, int64_t n, std::vector<int32_t>* starts);

}  // namespace gristmill::exec
