#include "job/retry_keys.h"

#include <algorithm>

namespace gristmill::job {

std::vector<Key> retry_keys(const RetryDefaults& defaults, const std::string& after) {
  return {
      {.name = "retries",
       .kind = ValueKind::kInteger,
       .help = "Further attempts after " + after + ".",
       .least = 0,
       .most = 1000,
       .fallback = std::to_string(defaults.retries)},
      {.name = "retry_pause",
       .kind = ValueKind::kDuration,
       .help = "Before the first further attempt; doubles with each, and half of it is drawn at random.",
       .fallback = "100ms"},
      {.name = "longest_pause", .kind = ValueKind::kDuration, .help = "Between two attempts.", .fallback = "30s"},
      {.name = "breaker",
       .kind = ValueKind::kSection,
       .help = "Leaves a server alone that does nothing but fail; calls wait meanwhile.",
       .keys = {{.name = "failures",
                 .kind = ValueKind::kInteger,
                 .help = "In a row, before it opens; 0: never.",
                 .least = 0,
                 .fallback = std::to_string(defaults.failures)},
                {.name = "open_for", .kind = ValueKind::kDuration, .help = "Until one call tries again.", .fallback = "10s"},
                {.name = "give_up",
                 .kind = ValueKind::kDuration,
                 .help = "When it has not come back for so long the run fails.",
                 .fallback = "5m"}}},
  };
}

arrow::Status read_retry_keys(const Settings& s, const RetryDefaults& defaults, RetryPolicy& retry, BreakerPolicy& breaker) {
  using std::chrono::microseconds, std::chrono::seconds;
  retry.retries = s.integer("retries", defaults.retries);
  retry.first = s.duration("retry_pause", std::chrono::milliseconds(100));
  retry.most = std::max<std::chrono::nanoseconds>(s.duration("longest_pause", seconds(30)), retry.first);
  breaker.failures = defaults.failures;
  if (const auto b = s.section("breaker")) {
    breaker.failures = b->integer("failures", defaults.failures);
    breaker.open_for = b->duration("open_for", seconds(10));
    breaker.give_up = b->duration("give_up", std::max<microseconds>(std::chrono::minutes(5), b->duration("open_for", seconds(10))));
  }
  ARROW_RETURN_NOT_OK(retry.check());
  return breaker.check();
}

}  // namespace gristmill::job
