// Work that waits for others (a broker that does not answer, a server), interruptible by whoever called.
#pragma once

#include <functional>

#include <arrow/status.h>

#include "base/cancellation.h"

namespace gristmill::stream {

// `work` on a thread of its own, while the calling one asks `interrupt` (Python: Ctrl-C) now and then; what that says cancels `cancel`, which
// `work` looks at. Without an interrupt, on the calling thread.
arrow::Status interruptible(const std::function<arrow::Status()>& interrupt, const base::CancelToken& cancel,
                            const std::function<arrow::Status()>& work);

}  // namespace gristmill::stream
