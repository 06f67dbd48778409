// Stops calling a server that does nothing but fail, and finds out by few calls when it is back.
//
//   closed     calls go; `failures` failures in a row open it
//   open       no call goes for `open_for`
//   half open  up to `probes` calls at once go as probes: `probes` successes close it, one failure opens it again
//
// A call that was let through before the state changed says nothing about the new state and is not counted. What failing means is the
// caller's: an answer that refuses one record (HTTP 404) is a success here, since the server works. Nothing is lost while it is open: the
// callers wait, and when a probe fails `give_up` after the first opening they are told to fail.
// Thread safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

#include <arrow/status.h>

#include "base/clock.h"

namespace gristmill::job {

struct BreakerPolicy {
  int64_t failures = 0;  // in a row; 0: no breaker
  std::chrono::nanoseconds open_for = std::chrono::seconds(10);
  std::chrono::nanoseconds give_up = std::chrono::minutes(5);  // since the first opening without a success
  int64_t probes = 1;

  arrow::Status check() const;
};

class CircuitBreaker {
 public:
  enum class State { kClosed, kOpen, kHalfOpen };

  struct Permit {
    bool allowed = false;
    bool hopeless = false;               // probes have failed for longer than `give_up`
    std::chrono::nanoseconds ask_in{0};  // not allowed: when to ask again
    uint64_t period = 0;
  };

  explicit CircuitBreaker(BreakerPolicy policy, const base::Clock& clock = base::Clock::system()) : policy_(policy), clock_(clock) {}

  Permit ask();
  // Exactly one of these for each permit that was allowed.
  void succeeded(const Permit& permit);
  void failed(const Permit& permit);
  void dropped(const Permit& permit);  // the call was given up without an outcome

  // Whether a permit still holds: the state has not changed since.
  bool holds(const Permit& permit) const;

  State state() const;
  int64_t times_opened() const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  void open(Time now);

  const BreakerPolicy policy_;
  const base::Clock& clock_;
  mutable std::mutex mutex_;
  State state_ = State::kClosed;
  uint64_t period_ = 0;  // one more with each change of state
  int64_t in_a_row_ = 0;
  int64_t probing_ = 0;
  int64_t probed_ = 0;
  int64_t opened_ = 0;
  Time until_{};       // open: when probes may go
  Time down_since_{};  // of the first opening since a success
  bool down_ = false;
  bool hopeless_ = false;
};

}  // namespace gristmill::job
