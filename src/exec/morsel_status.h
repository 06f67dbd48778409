// How a morsel may end before its last row: an error that no row order decides, or a limit that was met inside it.
#pragma once

#include <arrow/status.h>

namespace gristmill::exec {

// Ends a morsel early without error: its remaining rows are not wanted (a limit inside the morsel was met).
arrow::Status stop_morsel();
bool is_stop_morsel(const arrow::Status& s);

// Errors that no row order decides (memory, cancellation, time-out, our own): they end the task at once.
bool ends_at_once(const arrow::Status& s);

}  // namespace gristmill::exec
