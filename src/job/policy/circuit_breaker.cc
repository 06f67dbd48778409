// Every change of state begins a period; permits carry theirs, and outcomes of another period fall away.

#include "job/policy/circuit_breaker.h"

#include <algorithm>

#include "base/status.h"

namespace gristmill::job {

arrow::Status BreakerPolicy::check() const {
  if (failures < 0) return base::plan_error("a circuit breaker opens after 1 or more failures in a row (0: there is none)");
  if (probes < 1) return base::plan_error("a circuit breaker needs at least one probe");
  if (open_for.count() <= 0 || give_up < open_for) {
    return base::plan_error("a circuit breaker stays open for more than no time, and gives up no earlier than that");
  }
  return arrow::Status::OK();
}

void CircuitBreaker::open(Time now) {
  state_ = State::kOpen;
  period_ += 1;
  opened_ += 1;
  in_a_row_ = probing_ = probed_ = 0;
  until_ = now + policy_.open_for;
  if (!down_) down_since_ = now;
  down_ = true;
}

CircuitBreaker::Permit CircuitBreaker::ask() {
  if (policy_.failures == 0) return {true, false, {}, 0};
  std::lock_guard lock(mutex_);
  if (state_ == State::kClosed) return {true, false, {}, period_};
  const Time now = clock_.now();
  if (hopeless_) return {false, true, {}, period_};
  if (state_ == State::kOpen) {
    if (now < until_) return {false, false, until_ - now, period_};
    state_ = State::kHalfOpen;
    period_ += 1;
  }
  if (probing_ + probed_ < policy_.probes) {
    probing_ += 1;
    return {true, false, {}, period_};
  }
  // A probe is under way; its outcome is known at the latest by its own time-out.
  return {false, false, std::min<std::chrono::nanoseconds>(policy_.open_for, std::chrono::milliseconds(100)), period_};
}

void CircuitBreaker::succeeded(const Permit& permit) {
  if (policy_.failures == 0) return;
  std::lock_guard lock(mutex_);
  if (permit.period != period_) return;
  in_a_row_ = 0;
  if (state_ != State::kHalfOpen) return;
  probing_ -= 1;
  probed_ += 1;
  if (probed_ < policy_.probes) return;
  state_ = State::kClosed;
  period_ += 1;
  probing_ = probed_ = 0;
  down_ = false;
}

void CircuitBreaker::failed(const Permit& permit) {
  if (policy_.failures == 0) return;
  std::lock_guard lock(mutex_);
  if (permit.period != period_) return;
  const Time now = clock_.now();
  if (state_ == State::kHalfOpen && now - down_since_ >= policy_.give_up) hopeless_ = true;
  if (state_ == State::kHalfOpen || ++in_a_row_ >= policy_.failures) open(now);
}

void CircuitBreaker::dropped(const Permit& permit) {
  if (policy_.failures == 0) return;
  std::lock_guard lock(mutex_);
  if (permit.period == period_ && state_ == State::kHalfOpen) probing_ -= 1;
}

bool CircuitBreaker::holds(const Permit& permit) const {
  if (policy_.failures == 0) return permit.allowed;
  std::lock_guard lock(mutex_);
  return permit.allowed && permit.period == period_;
}

CircuitBreaker::State CircuitBreaker::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

int64_t CircuitBreaker::times_opened() const {
  std::lock_guard lock(mutex_);
  return opened_;
}

}  // namespace gristmill::job
