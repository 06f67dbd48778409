// The keys by which a job says how often a remote end is tried again, and when it is left alone.
#pragma once

#include <string>
#include <vector>

#include "job/policy/circuit_breaker.h"
#include "job/policy/retry.h"
#include "job/settings.h"

namespace gristmill::job {

struct RetryDefaults {
  int64_t retries = 3;
  int64_t failures = 0;  // in a row that open the breaker; 0: it is off unless said
};

// retries, retry_pause, longest_pause, breaker. `after`: what a further attempt follows.
std::vector<Key> retry_keys(const RetryDefaults& defaults, const std::string& after);
arrow::Status read_retry_keys(const Settings& settings, const RetryDefaults& defaults, RetryPolicy& retry, BreakerPolicy& breaker);

}  // namespace gristmill::job
