// Starting a thread that belongs to the engine: named, and with all signals blocked, so that Ctrl-C and friends reach the
// program's own threads.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <thread>

namespace gristmill::sched {

// Empty when the system gives no thread (limits): the caller goes on with those it has.
std::optional<std::thread> start_thread(const std::string& name, std::function<void()> body);

}  // namespace gristmill::sched
