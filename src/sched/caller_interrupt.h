// Ctrl-C inside a long step.
//
// The interrupt of a query is asked on the thread that called it, for Python's signals are seen on the main thread only. The scheduler
// asks between steps; a step that lasts (a morsel whose rows meet millions of others) calls this for every batch it makes, then looks at
// the query's token. On other threads it does nothing. Call it without holding a lock: it may run Python.
#pragma once

namespace gristmill::sched {

void poll_caller_interrupt();

}  // namespace gristmill::sched
