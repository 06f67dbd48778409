// Ctrl-C and termination: the first asks the query to stop, the second ends the program at once.
#pragma once

#include <arrow/status.h>

namespace gristmill::cli {

void catch_signals();
int caught_signal();          // 0: none; the exit code is 128 + it
arrow::Status interrupted();  // an error once there was one: what a run polls

}  // namespace gristmill::cli
