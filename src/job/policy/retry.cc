// Pauses are computed in double nanoseconds and capped before they are cut to whole ones, so no number of attempts overflows.

#include "job/policy/retry.h"

#include <algorithm>
#include <cmath>

#include "base/status.h"

namespace gristmill::job {
namespace {

// SplitMix64: each state gives an independent draw.
uint64_t draw(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

arrow::Status RetryPolicy::check() const {
  if (retries < 0) return base::plan_error("retries must be 0 or more");
  if (first.count() < 0 || most < first) return base::plan_error("the first pause between retries must lie between 0 and the longest one");
  if (!(factor >= 1)) return base::plan_error("the factor between two pauses must be 1 or more");
  if (!(jitter >= 0 && jitter <= 1)) return base::plan_error("jitter must lie between 0 and 1");
  return arrow::Status::OK();
}

std::optional<std::chrono::nanoseconds> Retries::next(std::optional<std::chrono::nanoseconds> asked) {
  failed_ += 1;
  if (failed_ > policy_.retries) return std::nullopt;
  const double whole = std::min(static_cast<double>(policy_.first.count()) * std::pow(policy_.factor, static_cast<double>(failed_ - 1)),
                                static_cast<double>(policy_.most.count()));
  const double fraction = static_cast<double>(draw(state_) >> 11) * 0x1p-53;  // [0, 1)
  const std::chrono::nanoseconds pause(static_cast<int64_t>(whole * (1 - policy_.jitter * fraction)));
  if (!asked) return pause;
  return std::max(pause, std::min(*asked, policy_.most_asked));
}

uint64_t seed_of_call(uint64_t seed, uint64_t ordinal) {
  uint64_t state = seed ^ (ordinal * 0xd1342543de82ef95);
  return draw(state);
}

}  // namespace gristmill::job
