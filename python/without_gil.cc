// Whoever counts holds the GIL or is counted already, and leave() is called with the GIL, so it misses nobody.

#include "without_gil.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "sched/query_run.h"

namespace gristmill::python {
namespace {

std::atomic<int> working{0};  // threads for which the engine works, without the GIL
std::thread::id ending_thread;  // set before `ending`
std::atomic<bool> ending{false};

// Inside a task its query, which is cancelled, must come to its end first.
bool must_stay() { return interpreter_ends_elsewhere() && !sched::QueryRun::inside_task(); }

[[noreturn]] void stay() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

}  // namespace

bool interpreter_ends_elsewhere() { return ending && std::this_thread::get_id() != ending_thread; }

WithoutGil::WithoutGil() {
  const bool late = must_stay();
  if (!late) working.fetch_add(1);
  released_.emplace();
  if (late) stay();
}

WithoutGil::~WithoutGil() {
  if (must_stay()) {
    working.fetch_sub(1);
    stay();
  }
  released_.reset();
  working.fetch_sub(1);
}

void leave() {
  constexpr std::chrono::seconds kPatience{5};
  ending_thread = std::this_thread::get_id();
  ending = true;
  const nanobind::gil_scoped_release release;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (working > 0 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace gristmill::python
