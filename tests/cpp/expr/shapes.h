// The same rows in every form a batch can take; each must give the same answer.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "column/batch.h"

namespace gristmill::expr::testing {

struct Shape {
  std::string name;
  column::Batch batch;
  std::vector<int64_t> source;  // row of the shape -> row of the original, for selected rows; -1: a row that does not count
};

// flat; sliced from longer arrays; dictionary columns; sliced dictionaries; a selection with junk rows between, as bitmap and as
// indices; row by row; constants (one row at a time).
std::vector<Shape> every_shape(const column::Batch& flat);

}  // namespace gristmill::expr::testing
