// Time comes in from outside so that a test or the simulator can choose it.
#pragma once

#include <chrono>
#include <cstdint>

namespace gristmill::base {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::chrono::steady_clock::time_point now() const = 0;
  virtual int64_t unix_micros() const = 0;
  static const Clock& system();
};

// Moves only when told.
class ManualClock final : public Clock {
 public:
  std::chrono::steady_clock::time_point now() const override { return now_; }
  int64_t unix_micros() const override { return unix_micros_; }
  void advance(std::chrono::nanoseconds by) {
    now_ += by;
    unix_micros_ += by.count() / 1000;
  }

 private:
  std::chrono::steady_clock::time_point now_{};
  int64_t unix_micros_ = 0;
};

}  // namespace gristmill::base
