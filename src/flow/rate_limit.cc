// A window holds `burst` starts and is as long as these take at the rate.

#include "flow/rate_limit.h"

#include <algorithm>
#include <map>

#include "base/status.h"

namespace gristmill {
namespace {

constexpr double kGrain = 0.01;  // seconds within which a rate may be used up in one go

int64_t burst_of(int64_t calls, double seconds, int64_t burst) {
  if (burst != 0 || calls <= 0 || !(seconds > 0)) return burst;
  return std::clamp<int64_t>(static_cast<int64_t>(static_cast<double>(calls) / seconds * kGrain), 1, calls);
}

RateLimit::State::Duration window_of(int64_t calls, double seconds, int64_t burst) {
  const std::chrono::duration<double> window(seconds * static_cast<double>(burst) / static_cast<double>(std::max<int64_t>(calls, 1)));
  return std::chrono::ceil<RateLimit::State::Duration>(window);
}

}  // namespace

RateLimit::RateLimit(int64_t calls, double seconds, int64_t burst) : state_(std::make_shared<State>(calls, seconds, burst)) {}

arrow::Result<RateLimit> RateLimit::named(const std::string& name, int64_t calls, double seconds, int64_t burst) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<State>> rates;
  RateLimit made(calls, seconds, burst);
  std::lock_guard lock(mutex);
  std::weak_ptr<State>& known = rates[name];
  if (auto state = known.lock()) {
    if (state->calls != calls || state->seconds != seconds || state->burst != made.state_->burst) {
      return base::plan_error("there is a rate \"" + name + "\" already with other numbers: " + std::to_string(state->calls) +
                              " calls in " + std::to_string(state->seconds) + " s");
    }
    made.state_ = std::move(state);
  } else {
    known = made.state_;
  }
  return made;
}

RateLimit::State::State(int64_t calls_, double seconds_, int64_t burst_)
    : calls(calls_), seconds(seconds_), burst(burst_of(calls_, seconds_, burst_)), window_(window_of(calls_, seconds_, burst)) {}

RateLimit::State::Start RateLimit::State::start(Time now) {
  std::lock_guard lock(mutex_);
  if (!starts_.empty()) now = std::max(now, starts_.back());  // clocks of two threads
  if (static_cast<int64_t>(starts_.size()) == burst) {
    const Duration since = now - starts_.front();
    if (since < window_) return {window_ - since, {}};
    starts_.pop_front();
  }
  starts_.push_back(now);
  return {Duration::zero(), now};
}

void RateLimit::State::give_back(Time counted) {
  std::lock_guard lock(mutex_);
  const auto it = std::find(starts_.rbegin(), starts_.rend(), counted);
  if (it != starts_.rend()) starts_.erase(std::next(it).base());
}

}  // namespace gristmill
