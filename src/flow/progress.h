// The numbers behind a FlowProgress, and the clock that shows them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "flow/event_loop.h"
#include "gristmill/flow_events.h"

namespace gristmill {

struct FlowProgress::State : std::enable_shared_from_this<FlowProgress::State> {
  State(Show show_, std::chrono::milliseconds after_, std::chrono::milliseconds every_);

  void begin(int64_t items);  // -1: nobody knows how many
  void through(bool was_failed);
  void end();
  std::string text() const;

  std::atomic<int64_t> done{0};
  std::atomic<int64_t> failed{0};
  std::atomic<int64_t> total{0};  // of those that are known
  std::atomic<bool> unknown{false};

 private:
  void show_again(int64_t turn);
  void arm(std::chrono::milliseconds pause);  // under the lock
  void show(const std::string& line);         // under the lock

  const Show show_;
  const std::chrono::milliseconds after_;
  const std::chrono::milliseconds every_;

  std::atomic<int64_t> began_{0};   // ns of the clock; 0: nothing runs
  std::atomic<int64_t> before_{0};  // ns that earlier runs took

  std::mutex mutex_;
  int64_t runs_ = 0;  // that go on
  int64_t turn_ = 0;  // a timer of an earlier one finds nothing to do
  bool shown_ = false;
  std::optional<flow::EventLoop::Timer> timer_;
};

}  // namespace gristmill
