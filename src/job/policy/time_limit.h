// How long a call may take: each attempt, and all attempts with the pauses between them.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace gristmill::job {

struct TimeLimit {
  using Time = std::chrono::steady_clock::time_point;

  std::chrono::nanoseconds attempt = std::chrono::seconds(30);
  std::optional<std::chrono::nanoseconds> whole = {};

  // What an attempt that begins now may take; 0: the call's time is over.
  std::chrono::nanoseconds for_attempt(Time begun, Time now) const {
    if (!whole) return attempt;
    return std::clamp(*whole - std::chrono::nanoseconds(now - begun), std::chrono::nanoseconds(0), attempt);
  }
  // Whether anything is left after a pause.
  bool allows_pause(Time begun, Time now, std::chrono::nanoseconds pause) const { return !whole || (now - begun) + pause < *whole; }
};

}  // namespace gristmill::job
