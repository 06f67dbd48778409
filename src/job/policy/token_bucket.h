// A rate that holds over everybody who shares the bucket: in any stretch of time t at most burst + t * rate tokens go out.
//
// Who comes books the next free moment and is told how long to wait for it; nobody is overtaken and nobody polls. The moments follow from
// the bookings alone, so the bound holds however late the callers wake. A rate that was not used is kept up to `burst`.
// Thread safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

#include "base/clock.h"

namespace gristmill::job {

class TokenBucket {
 public:
  // `per_second` 0: no limit. `burst`: tokens that may go at once, at least 1.
  TokenBucket(double per_second, int64_t burst, const base::Clock& clock = base::Clock::system());

  // Books `tokens`; the pause until they may be used (0: now). What was booked is spent even if it is not used.
  std::chrono::nanoseconds take(int64_t tokens = 1);

 private:
  using Time = std::chrono::steady_clock::time_point;
  const std::chrono::nanoseconds interval_;   // of one token, rounded up: never faster than told
  const std::chrono::nanoseconds tolerance_;  // how far ahead of the even pace a burst may be
  const base::Clock& clock_;
  std::mutex mutex_;
  bool started_ = false;
  Time due_{};  // when the next token would come at the even pace
};

}  // namespace gristmill::job
