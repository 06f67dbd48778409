// Where a value that stopped the run stands. Labels are parsed once for each distinct text, after rows were put together: the row is looked
// for only when one could not be.
#pragma once

#include <arrow/status.h>

#include "layout.h"

namespace ocp {

// `error` with file, row (from 0) and column of the first row that holds the text it complains about, if that can be found.
arrow::Status with_place(const arrow::Status& error, const Listing& listing, const gristmill::StorageOptions& storage);

}  // namespace ocp
