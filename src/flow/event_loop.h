// The thread that all coroutines of the process run on: work in the order it was posted, timers in the order of their time.
//
// It starts with the first use, sleeps without a clock when nothing is due, is joined at exit and made anew in the child of a fork.
// Thread safe. What is posted runs outside the lock; what is left at exit is dropped.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace gristmill::flow {

class EventLoop {
 public:
  using Clock = std::chrono::steady_clock;
  using Timer = std::pair<Clock::time_point, uint64_t>;

  static EventLoop& process();
  ~EventLoop();

  void post(std::function<void()> work);
  Timer at(Clock::time_point when, std::function<void()> work);
  void drop(const Timer& timer);  // one that has fired is no mistake
  bool inside() const;            // on its thread

 private:
  void start();  // under the lock
  void loop();
  void wait(std::unique_lock<std::mutex>& lock);
  void fire_due(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::function<void()>> posted_;
  std::map<Timer, std::function<void()>> timers_;
  uint64_t next_timer_ = 0;
  bool asleep_ = false;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace gristmill::flow
