// Work outside the workers: a few I/O threads under a byte budget, and one timer thread. Both start with the first
// use, sleep without a clock when there is nothing to do, and are joined by the destructor (what did not start is dropped).
//
// Thread safe. I/O starts in the order of submit_io(); timers fire in order of their time, then of their making.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "sched/task.h"

namespace gristmill::sched {

class TimerThread {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;
  using Id = std::pair<Time, uint64_t>;

  ~TimerThread();
  Id add(Time when, std::function<void()> work);
  // Drops the timer; waits when it runs just now on the timer thread (unless called from there).
  void remove(const Id& id);

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable fired_;
  std::map<Id, std::function<void()>> timers_;
  uint64_t next_id_ = 0;
  Id running_{};
  bool stop_ = false;
  std::thread thread_;
};

class IoThreads final : public Background {
 public:
  IoThreads(int max_threads, int64_t byte_budget) : max_threads_(max_threads), byte_budget_(byte_budget) {}
  ~IoThreads() override;

  void submit_io(int64_t bytes, std::function<void()> work) override;
  void after(int64_t microseconds, std::function<void()> work) override;
  TimerThread& timers() { return timers_; }

 private:
  struct Request {
    int64_t bytes;
    std::function<void()> work;
  };
  bool may_start() const;
  void loop();

  const int max_threads_;
  const int64_t byte_budget_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request> queue_;
  int64_t bytes_running_ = 0;
  int running_ = 0;
  int idle_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;
  TimerThread timers_;
};

}  // namespace gristmill::sched
