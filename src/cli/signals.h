// Ctrl-C and termination: the first asks the query to stop, the second ends the program at once.
#pragma once

#include <arrow/status.h>

namespace gristmill::cli {

void catch_signals();
void keep_shell_on_interrupt();  // from now on Ctrl-C only asks what runs to stop
void count_signals();            // from now on signals are counted; the third ends the program
int signals_counted();
void forget_signal();
int caught_signal();          // 0: none; the exit code is 128 + it
arrow::Status interrupted();  // an error once there was one: what a run polls

}  // namespace gristmill::cli
