// The one thread of the process that parses SQL: it has a big stack, as the grammar recurses, and it stays, as the grammar's library keeps
// something for every thread that ever called it (one of the process's 1024 thread-specific keys, which nobody gives back).
#pragma once

#include <functional>

#include <arrow/status.h>

namespace gristmill::sqltext {

// Runs `work` there and waits for it; one caller after the other. `work` does not throw and does not come back here.
arrow::Status on_parser_thread(const std::function<void()>& work);

}  // namespace gristmill::sqltext
