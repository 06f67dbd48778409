// The flag is the hot path: one acquire load. Reason and subscribers stand behind a mutex.
//
// Wakes run outside the lock on the cancelling thread. unsubscribe() waits for its wake when that runs just
// now on another thread, so what the wake captured may be destroyed after it.

#include "base/cancellation.h"

#include <atomic>
#include <condition_variable>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/status.h"

namespace gristmill::base {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;
constexpr SteadyTime::rep kNoDeadline = std::numeric_limits<SteadyTime::rep>::max();

}  // namespace

struct CancelToken::State {
  std::atomic<bool> cancelled{false};
  std::atomic<SteadyTime::rep> deadline{kNoDeadline};
  std::mutex mutex;
  std::condition_variable wake_done;
  arrow::Status reason;
  std::map<uint64_t, std::function<void()>> wakes;
  uint64_t next_id = 1;
  uint64_t running_id = 0;  // the wake that runs now
  std::thread::id running_on;
};

CancelToken::CancelToken() : state_(std::make_shared<State>()) {}

void CancelToken::cancel(arrow::Status why) const {
  State& s = *state_;
  const std::shared_ptr<State> keep = state_;  // a wake may drop the last token
  std::unique_lock lock(s.mutex);
  if (s.cancelled.load(std::memory_order_relaxed)) return;
  s.reason = why.ok() ? cancelled_error() : std::move(why);
  s.cancelled.store(true, std::memory_order_release);
  s.running_on = std::this_thread::get_id();
  while (!s.wakes.empty()) {
    auto first = s.wakes.extract(s.wakes.begin());
    s.running_id = first.key();
    lock.unlock();
    first.mapped()();
    first.mapped() = nullptr;  // what it captured goes before unsubscribe() returns
    lock.lock();
    s.running_id = 0;
    s.wake_done.notify_all();
  }
}

bool CancelToken::cancelled() const noexcept { return state_->cancelled.load(std::memory_order_acquire); }

arrow::Status CancelToken::check() const {
  State& s = *state_;
  if (!s.cancelled.load(std::memory_order_acquire)) {
    const auto deadline = s.deadline.load(std::memory_order_relaxed);
    if (deadline == kNoDeadline || std::chrono::steady_clock::now().time_since_epoch().count() < deadline) return arrow::Status::OK();
    cancel(timeout_error("the query ran into its time-out"));
  }
  std::lock_guard lock(s.mutex);
  return s.reason;
}

void CancelToken::set_deadline(SteadyTime deadline) const {
  state_->deadline.store(deadline.time_since_epoch().count(), std::memory_order_relaxed);
}

std::optional<SteadyTime> CancelToken::deadline() const {
  const auto deadline = state_->deadline.load(std::memory_order_relaxed);
  if (deadline == kNoDeadline) return std::nullopt;
  return SteadyTime(SteadyTime::duration(deadline));
}

uint64_t CancelToken::subscribe(std::function<void()> wake) const {
  State& s = *state_;
  {
    std::lock_guard lock(s.mutex);
    const uint64_t id = s.next_id++;
    if (!s.cancelled.load(std::memory_order_relaxed)) {
      s.wakes.emplace(id, std::move(wake));
      return id;
    }
  }
  wake();
  return 0;
}

void CancelToken::unsubscribe(uint64_t id) const {
  if (id == 0) return;
  State& s = *state_;
  std::function<void()> dropped;  // destroyed outside the lock
  std::unique_lock lock(s.mutex);
  if (const auto it = s.wakes.find(id); it != s.wakes.end()) {
    dropped = std::move(it->second);
    s.wakes.erase(it);
    lock.unlock();
    return;
  }
  if (s.running_on == std::this_thread::get_id()) return;
  s.wake_done.wait(lock, [&] { return s.running_id != id; });
}

}  // namespace gristmill::base
