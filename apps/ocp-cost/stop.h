// SIGINT and SIGTERM end a run in order: queries stop, the transaction is undone, the report says so. A second one ends the process at
// once.
#pragma once

#include "gristmill/options.h"

namespace ocp {

// Before any thread is started: they inherit the mask. Once a process.
void stop_on_signals(const gristmill::Cancellation& cancel);
// The signal that came, or 0.
int stop_signal();

}  // namespace ocp
