// How often a call that failed for a passing reason is made again, and after which pause.
//
// The pause before attempt n + 1 is first * factor^(n-1), at most `most`; its last part (`jitter`, 0..1) is drawn at random, so that many
// callers do not come back together. The draws come from a seed of the call, not from the machine: the same seed gives the same pauses. A
// server that says how long to wait (Retry-After) is waited for at least that long, but never longer than `most_asked`.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <arrow/status.h>

namespace gristmill::job {

struct RetryPolicy {
  int64_t retries = 3;  // after the first attempt
  std::chrono::nanoseconds first = std::chrono::milliseconds(100);
  std::chrono::nanoseconds most = std::chrono::seconds(30);
  std::chrono::nanoseconds most_asked = std::chrono::minutes(5);
  double factor = 2;
  double jitter = 0.5;

  arrow::Status check() const;  // a plan error naming what cannot be
};

// Of one call. Used by one thread at a time.
class Retries {
 public:
  Retries(const RetryPolicy& policy, uint64_t seed) : policy_(policy), state_(seed) {}
  // Called after a failed attempt: the pause before the next one, or nothing when that was the last.
  std::optional<std::chrono::nanoseconds> next(std::optional<std::chrono::nanoseconds> asked = {});
  int64_t failed() const { return failed_; }

 private:
  const RetryPolicy policy_;
  uint64_t state_;
  int64_t failed_ = 0;
};

// The seed of call number `ordinal` of a job: neighbours differ in every bit.
uint64_t seed_of_call(uint64_t seed, uint64_t ordinal);

}  // namespace gristmill::job
