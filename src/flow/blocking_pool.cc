// Who fell asleep last is called first: its stack is warm, and those that are not needed any more get their time to leave.

#include "flow/blocking_pool.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "flow/process_wide.h"
#include "sched/background_thread.h"

namespace gristmill::flow {
namespace {

constexpr std::chrono::seconds kIdle{30};

}  // namespace

BlockingPool& BlockingPool::process() { return ProcessWide<BlockingPool>::get(); }

BlockingPool::~BlockingPool() {
  std::unique_lock lock(mutex_);
  stop_ = true;
  for (Seat& seat : seats_) seat.wake.notify_one();
  while (!seats_.empty()) {
    std::thread thread = std::move(seats_.front().thread);
    lock.unlock();
    thread.join();
    lock.lock();
    seats_.pop_front();
  }
  for (Seat& seat : ended_) seat.thread.join();
}

int BlockingPool::threads() const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(seats_.size());
}

bool BlockingPool::grow() {
  if (seats_.size() >= kMostThreads || stop_) return true;
  const Place seat = seats_.emplace(seats_.end());
  auto thread = sched::start_thread("gm-wait", [this, seat] { work(seat); });
  if (!thread) {
    seats_.erase(seat);
    return !seats_.empty();
  }
  seat->thread = std::move(*thread);
  return true;
}

void BlockingPool::submit(std::function<void()> job) {
  std::list<Seat> ended;
  std::function<void()> here;
  {
    std::lock_guard lock(mutex_);
    ended.swap(ended_);
    jobs_.push_back(std::move(job));
    if (!idle_.empty()) {
      const Place seat = idle_.back();
      idle_.pop_back();
      seat->called = true;
      seat->wake.notify_one();
    } else if (!grow()) {  // the system gives no thread at all: slow, but nobody waits for ever
      here = std::move(jobs_.back());
      jobs_.pop_back();
    }
  }
  for (Seat& seat : ended) seat.thread.join();
  if (here) here();
}

bool BlockingPool::sleep(std::unique_lock<std::mutex>& lock, Place seat) {
  seat->called = false;
  idle_.push_back(seat);
  seat->wake.wait_for(lock, kIdle, [&] { return seat->called || stop_; });
  if (seat->called) return true;
  idle_.erase(std::find(idle_.begin(), idle_.end(), seat));
  return false;
}

void BlockingPool::work(Place seat) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (stop_) return;  // the destructor has the seat
    if (jobs_.empty()) {
      if (!sleep(lock, seat) && !stop_) {
        ended_.splice(ended_.end(), seats_, seat);
        return;
      }
      continue;
    }
    std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
}

}  // namespace gristmill::flow
