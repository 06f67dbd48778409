// Float sums of frames without holes as differences of running sums: vectorised, whatever the width of the frames.
#pragma once

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/exact_sum.h"
#include "exec/window_unit.h"

namespace gristmill::exec {

// Whether a function is a sum of doubles over such frames: by rows, or of everything up to the row or its last peer.
bool sums_run(const WindowTask& task, const arrow::DataType& type);

// What has left before the unit's first row, where frames begin with their partition.
struct RunBefore {
  column::ExactUnit unit;
  column::ExactSum sum;
  int64_t rows = 0;  // that count
};

// Writes all of the unit's values. False: they are not for this way (NaN, infinities, values too far apart), and nothing is written.
arrow::Result<bool> compute_running_sums(const WindowTask& task, const WindowUnit& unit, const RunBefore* before, arrow::MemoryPool* pool,
                                         WindowResult& out);

}  // namespace gristmill::exec
