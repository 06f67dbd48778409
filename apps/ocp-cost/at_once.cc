#include "at_once.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace ocp {

arrow::Status at_once(size_t n, const std::function<arrow::Status(size_t)>& work) {
  constexpr size_t kThreads = 16;
  std::vector<arrow::Status> done(n);
  std::atomic<size_t> next{0};
  std::atomic<bool> failed{false};
  const auto take_turns = [&] {
    for (size_t i; !failed && (i = next++) < n;) {
      done[i] = work(i);
      if (!done[i].ok()) failed = true;
    }
  };
  std::vector<std::jthread> threads;
  try {
    for (size_t t = 1; t < std::min(n, kThreads); ++t) threads.emplace_back(take_turns);
  } catch (const std::system_error&) {
    // As many threads as the system gives, be it this one alone.
  }
  take_turns();
  threads.clear();
  for (const arrow::Status& status : done) ARROW_RETURN_NOT_OK(status);
  return arrow::Status::OK();
}

}  // namespace ocp
