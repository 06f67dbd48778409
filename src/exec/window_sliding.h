// min and max of floats over short frames by rows: of all frames of a stretch at once, in a few passes without branches.
#pragma once

#include "exec/window_unit.h"

namespace gristmill::exec {

// Writes all of the unit's values. False: the function or its frames are not for this way, and nothing is written. `values` and `filter`
// (may be null): of all positions that frames reach.
bool compute_sliding_extremes(const WindowTask& task, const WindowUnit& unit, const Gathered& values, const Gathered* filter,
                              WindowResult& out);

}  // namespace gristmill::exec
