// A thread is started only when a request may start and no thread is idle, up to the maximum. When the system gives no
// thread at all the request runs on the submitting thread: slow, but nobody waits for ever.

#include "sched/io_threads.h"

#include "sched/background_thread.h"

namespace gristmill::sched {

TimerThread::~TimerThread() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

TimerThread::Id TimerThread::add(Time when, std::function<void()> work) {
  std::lock_guard lock(mutex_);
  const Id id{when, ++next_id_};
  const auto it = timers_.emplace(id, std::move(work)).first;
  if (!thread_.joinable()) {
    if (auto thread = start_thread("gm-timer", [this] { loop(); })) thread_ = std::move(*thread);
  } else if (it == timers_.begin()) {
    changed_.notify_one();
  }
  return id;
}

void TimerThread::remove(const Id& id) {
  std::function<void()> dropped;  // destroyed outside the lock
  std::unique_lock lock(mutex_);
  if (const auto it = timers_.find(id); it != timers_.end()) {
    dropped = std::move(it->second);
    timers_.erase(it);
    lock.unlock();
    return;
  }
  if (thread_.get_id() == std::this_thread::get_id()) return;
  fired_.wait(lock, [&] { return running_ != id; });
}

void TimerThread::loop() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (timers_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const Time when = timers_.begin()->first.first;
    if (std::chrono::steady_clock::now() < when) {
      changed_.wait_until(lock, when);
      continue;
    }
    auto timer = timers_.extract(timers_.begin());
    running_ = timer.key();
    lock.unlock();
    timer.mapped()();
    timer.mapped() = nullptr;
    lock.lock();
    running_ = Id{};
    fired_.notify_all();
  }
}

IoThreads::~IoThreads() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void IoThreads::submit_io(int64_t bytes, std::function<void()> work) {
  std::unique_lock lock(mutex_);
  queue_.push_back({bytes, std::move(work)});
  if (idle_ > 0) changed_.notify_one();
  if (queue_.size() <= static_cast<size_t>(idle_) || static_cast<int>(threads_.size()) >= max_threads_ || stop_) return;
  if (auto thread = start_thread("gm-io-" + std::to_string(threads_.size()), [this] { loop(); })) {
    threads_.push_back(std::move(*thread));
  } else if (threads_.empty()) {
    Request request = std::move(queue_.back());
    queue_.pop_back();
    lock.unlock();
    request.work();
  }
}

void IoThreads::after(int64_t microseconds, std::function<void()> work) {
  timers_.add(std::chrono::steady_clock::now() + std::chrono::microseconds(microseconds), std::move(work));
}

bool IoThreads::may_start() const { return !queue_.empty() && (running_ == 0 || bytes_running_ + queue_.front().bytes <= byte_budget_); }

void IoThreads::loop() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (!may_start()) {
      ++idle_;
      changed_.wait(lock);
      --idle_;
      continue;
    }
    Request request = std::move(queue_.front());
    queue_.pop_front();
    ++running_;
    bytes_running_ += request.bytes;
    lock.unlock();
    request.work();
    request.work = nullptr;
    lock.lock();
    --running_;
    bytes_running_ -= request.bytes;
    // Bytes came free: others that were too large may start now.
    if (!queue_.empty() && idle_ > 0) changed_.notify_all();
  }
}

}  // namespace gristmill::sched
