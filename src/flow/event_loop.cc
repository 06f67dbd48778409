// One turn takes all that was posted, so a thousand answers cost one wake-up. Timers are taken one by one: what runs before one may drop
// it, and then it must not fire (its coroutine is gone).

#include "flow/event_loop.h"

#include <exception>
#include <utility>

#include "flow/process_wide.h"
#include "gristmill/task.h"
#include "sched/background_thread.h"

namespace gristmill {
namespace flow {
namespace {

// Which loop this thread runs, if any.
thread_local const EventLoop* running_here = nullptr;

}  // namespace

EventLoop& EventLoop::process() { return ProcessWide<EventLoop>::get(); }

EventLoop::~EventLoop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void EventLoop::start() {
  if (thread_.joinable() || stop_) return;
  if (auto thread = sched::start_thread("gm-loop", [this] { loop(); })) thread_ = std::move(*thread);
}

void EventLoop::post(std::function<void()> work) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
    start();
    wake = std::exchange(asleep_, false);
  }
  if (wake) changed_.notify_one();
}

EventLoop::Timer EventLoop::at(Clock::time_point when, std::function<void()> work) {
  bool wake = false;
  Timer timer;
  {
    std::lock_guard lock(mutex_);
    timer = {when, ++next_timer_};
    const auto it = timers_.emplace(timer, std::move(work)).first;
    start();
    if (it == timers_.begin()) wake = std::exchange(asleep_, false);
  }
  if (wake) changed_.notify_one();
  return timer;
}

void EventLoop::drop(const Timer& timer) {
  std::function<void()> dropped;  // destroyed outside the lock
  std::lock_guard lock(mutex_);
  const auto it = timers_.find(timer);
  if (it == timers_.end()) return;
  dropped = std::move(it->second);
  timers_.erase(it);
}

bool EventLoop::inside() const { return running_here == this; }

void EventLoop::wait(std::unique_lock<std::mutex>& lock) {
  asleep_ = true;
  if (timers_.empty()) {
    changed_.wait(lock);
  } else {
    const Clock::time_point when = timers_.begin()->first.first;  // the timer may be dropped meanwhile
    changed_.wait_until(lock, when);
  }
  asleep_ = false;
}

void EventLoop::loop() {
  running_here = this;
  std::vector<std::function<void()>> turn;
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (posted_.empty() && (timers_.empty() || Clock::now() < timers_.begin()->first.first)) {
      wait(lock);
      continue;
    }
    turn.swap(posted_);
    lock.unlock();
    for (auto& work : turn) {
      work();
      work = nullptr;
    }
    turn.clear();
    lock.lock();
    fire_due(lock);
  }
  running_here = nullptr;
}

// Those that are due now; what they add comes in the next turn.
void EventLoop::fire_due(std::unique_lock<std::mutex>& lock) {
  const auto now = Clock::now();
  while (!stop_ && !timers_.empty() && timers_.begin()->first.first <= now) {
    auto timer = timers_.extract(timers_.begin());
    lock.unlock();
    timer.mapped()();
    timer.mapped() = nullptr;
    lock.lock();
  }
}

}  // namespace flow

namespace detail {

void on_loop(std::function<void()> work) { flow::EventLoop::process().post(std::move(work)); }

void Sleep::await_suspend(std::coroutine_handle<> waiter) {
  when_ = std::chrono::steady_clock::now() + time_;
  const auto timer = flow::EventLoop::process().at(when_, [this, waiter] {
    timer_ = 0;
    waiter.resume();
  });
  timer_ = timer.second;
}

Sleep::~Sleep() {
  if (timer_ != 0) flow::EventLoop::process().drop({when_, timer_});
}

arrow::Status exception_status() noexcept {
  try {
    throw;
  } catch (const std::exception& e) {
    return arrow::Status::UnknownError(e.what());
  } catch (...) {
    return arrow::Status::UnknownError("an exception that is no std::exception");
  }
}

}  // namespace detail
}  // namespace gristmill
