// A clock and timers that move when a test says so.
#pragma once

#include <functional>
#include <map>
#include <utility>

#include "base/clock.h"
#include "sched/task.h"

namespace gristmill::job {

class ManualBackground final : public sched::Background {
 public:
  using Time = std::chrono::steady_clock::time_point;
  void submit_io(int64_t, std::function<void()> work) override { work(); }
  void after(int64_t microseconds, std::function<void()> work) override {
    timers_.emplace(std::pair(clock_.now() + std::chrono::microseconds(microseconds), next_++), std::move(work));
  }
  const base::Clock& clock() const override { return clock_; }

  Time now() const { return clock_.now(); }
  // To the next timer, which runs; false: there is none.
  bool step() {
    if (timers_.empty()) return false;
    auto first = timers_.begin();
    if (first->first.first > clock_.now()) clock_.advance(first->first.first - clock_.now());
    auto work = std::move(first->second);
    timers_.erase(first);
    work();
    return true;
  }

 private:
  base::ManualClock clock_;
  int64_t next_ = 0;
  std::map<std::pair<Time, int64_t>, std::function<void()>> timers_;
};

}  // namespace gristmill::job
