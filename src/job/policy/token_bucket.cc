// Kept as one moment instead of a count: the theoretical arrival time of the next token. It never falls behind the clock, which is what
// caps unused tokens, and who books is let through `tolerance` ahead of it.

#include "job/policy/token_bucket.h"

#include <algorithm>
#include <cmath>

namespace gristmill::job {
namespace {

std::chrono::nanoseconds interval_of(double per_second) {
  if (per_second <= 0) return std::chrono::nanoseconds(0);
  return std::chrono::nanoseconds(static_cast<int64_t>(std::min(std::ceil(1e9 / per_second), 9e15)));
}

}  // namespace

TokenBucket::TokenBucket(double per_second, int64_t burst, const base::Clock& clock)
    : interval_(interval_of(per_second)), tolerance_(interval_ * (std::max<int64_t>(burst, 1) - 1)), clock_(clock) {}

std::chrono::nanoseconds TokenBucket::take(int64_t tokens) {
  if (interval_.count() == 0 || tokens <= 0) return std::chrono::nanoseconds(0);
  std::lock_guard lock(mutex_);
  const Time now = clock_.now();
  due_ = started_ ? std::max(due_, now) : now;
  started_ = true;
  // All tokens of the booking go when its last one may.
  const Time moment = due_ + interval_ * (tokens - 1) - tolerance_;
  due_ += interval_ * tokens;
  return std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(moment - now));
}

}  // namespace gristmill::job
