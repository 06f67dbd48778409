// The starts of a RateLimit: of those in any time of its length there are never more than its number.
//
// Strict by construction: the k-th start is let in only when the one `burst` before it is a whole window ago. Thread safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>

#include "gristmill/flow.h"

namespace gristmill {

struct RateLimit::State {
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  State(int64_t calls_, double seconds_, int64_t burst_);
  bool valid() const { return calls > 0 && seconds > 0 && burst > 0 && burst <= calls; }
  struct Start {
    Duration wait{};  // zero, and the start is counted; or how long to wait before it is worth asking again
    Time counted{};
  };
  Start start(Time now);
  void give_back(Time counted);  // that start did not happen

  const int64_t calls;
  const double seconds;
  const int64_t burst;

 private:
  const Duration window_;
  std::mutex mutex_;
  std::deque<Time> starts_;  // the last `burst`, in order
};

}  // namespace gristmill
