// One mutex; calls are started, handles fired and results dropped outside it.
//
// Rate: a batch books the next free moment and moves it on by rows / rate. An offer that comes too early keeps its
// booking and is told to come back, so calls always start on a worker and nobody is overtaken.
// Wakes: a take that makes room wakes the smallest waiting numbers that fit together; a completion wakes one taker, a taker that leaves
// something ready wakes the next. A woken one that is late finds somebody else's wake pending, never nothing.

#include "sched/async_window.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"

namespace gristmill::sched {
namespace {

using Time = std::chrono::steady_clock::time_point;
constexpr std::chrono::milliseconds kCatchUp{10};

}  // namespace

struct AsyncWindow::Impl : std::enable_shared_from_this<AsyncWindow::Impl> {
  struct Call {
    int64_t rows;
    int64_t bytes;
    std::optional<arrow::Result<AsyncResult>> result;
  };
  struct Offerer {
    uint64_t number;
    int64_t rows;
    int64_t bytes;
    base::WaitHandlePtr handle;
  };
  using Wakes = std::vector<base::WaitHandlePtr>;

  // Answers for the call when the last copy of its AsyncDone is gone.
  struct Completion {
    Completion(std::weak_ptr<Impl> w, uint64_t n) : window(std::move(w)), number(n) {}
    ~Completion() { complete(base::internal_error("async call " + std::to_string(number) + " was dropped without an answer")); }
    void complete(arrow::Result<AsyncResult> result) {
      if (answered.exchange(true)) return;
      if (auto w = window.lock()) w->completed(number, std::move(result));
    }
    const std::weak_ptr<Impl> window;
    const uint64_t number;
    std::atomic<bool> answered{false};
  };

  Impl(AsyncLimits l, Background& b, base::CancelToken c) : limits(l), background(b), cancel(std::move(c)) {}
  ~Impl() { cancel.unsubscribe(cancel_id); }

  static void fire(const Wakes& wakes) {
    for (const auto& handle : wakes) handle->fire();
  }
  bool fits(uint64_t number, int64_t r, int64_t b, bool empty) const {
    return empty || (rows + r <= limits.rows && bytes + b <= limits.bytes) || (limits.ordered && number == next);
  }
  base::WaitHandlePtr too_fast(uint64_t number, int64_t r);
  void completed(uint64_t number, arrow::Result<AsyncResult> result);
  std::optional<uint64_t> ready_number() const;
  bool at_end() const { return next == closed_at; }
  void wake_offerers(Wakes& out);
  void wake_takers(Wakes& out);
  void open_for_all(bool by_cancel);

  const AsyncLimits limits;
  Background& background;
  const base::CancelToken cancel;
  uint64_t cancel_id = 0;

  mutable std::mutex mutex;
  std::map<uint64_t, Call> calls;  // offered, not taken
  std::deque<uint64_t> finished;   // not ordered: answered, in order of the answers
  std::vector<Offerer> offerers;   // waiting for room
  std::deque<base::WaitHandlePtr> takers;
  std::map<uint64_t, Time> booked;  // waiting for their moment
  std::optional<Time> free_moment;
  uint64_t next = 0;  // taken so far; ordered: the number to take next
  uint64_t closed_at = std::numeric_limits<uint64_t>::max();
  uint64_t failed_at = std::numeric_limits<uint64_t>::max();
  int64_t rows = 0;
  int64_t bytes = 0;
  bool cancelled = false;
  bool discarded = false;
};

base::WaitHandlePtr AsyncWindow::Impl::too_fast(uint64_t number, int64_t r) {
  if (limits.rows_per_second <= 0) return nullptr;
  const Time now = background.clock().now();
  auto it = booked.find(number);
  if (it == booked.end()) {
    const Time moment = std::max(free_moment.value_or(now), now - kCatchUp);
    const std::chrono::duration<double> cost(static_cast<double>(r) / limits.rows_per_second);
    free_moment = moment + std::chrono::duration_cast<Time::duration>(cost);
    it = booked.emplace(number, moment).first;
  }
  if (it->second <= now) {
    booked.erase(it);
    return nullptr;
  }
  auto handle = std::make_shared<base::WaitHandle>();
  const auto wait = std::chrono::ceil<std::chrono::microseconds>(it->second - now);
  background.after(wait.count(), [handle] { handle->fire(); });
  return handle;
}

std::optional<uint64_t> AsyncWindow::Impl::ready_number() const {
  if (!limits.ordered) return finished.empty() ? std::nullopt : std::optional(finished.front());
  const auto it = calls.find(next);
  return it != calls.end() && it->second.result ? std::optional(next) : std::nullopt;
}

void AsyncWindow::Impl::completed(uint64_t number, arrow::Result<AsyncResult> result) {
  Wakes wakes;
  {
    std::lock_guard lock(mutex);
    const auto it = calls.find(number);
    if (it == calls.end()) return;  // cancelled or discarded
    it->second.result = std::move(result);
    if (!limits.ordered) finished.push_back(number);
    wake_takers(wakes);
  }
  fire(wakes);
}

void AsyncWindow::Impl::wake_offerers(Wakes& out) {
  std::sort(offerers.begin(), offerers.end(), [](const Offerer& a, const Offerer& b) { return a.number < b.number; });
  const int64_t rows_before = rows;
  const int64_t bytes_before = bytes;
  bool empty = calls.empty();
  std::erase_if(offerers, [&](Offerer& o) {
    if (!fits(o.number, o.rows, o.bytes, empty)) return false;
    empty = false;
    rows += o.rows;
    bytes += o.bytes;
    out.push_back(std::move(o.handle));
    return true;
  });
  rows = rows_before;
  bytes = bytes_before;
}

void AsyncWindow::Impl::wake_takers(Wakes& out) {
  if (at_end()) {
    out.insert(out.end(), takers.begin(), takers.end());
    takers.clear();
  } else if (!takers.empty() && ready_number()) {
    out.push_back(std::move(takers.front()));
    takers.pop_front();
  }
}

void AsyncWindow::Impl::open_for_all(bool by_cancel) {
  Wakes wakes;
  std::map<uint64_t, Call> dropped;
  {
    std::lock_guard lock(mutex);
    (by_cancel ? cancelled : discarded) = true;
    for (Offerer& o : offerers) wakes.push_back(std::move(o.handle));
    wakes.insert(wakes.end(), takers.begin(), takers.end());
    offerers.clear();
    takers.clear();
    finished.clear();
    dropped.swap(calls);
    rows = 0;
    bytes = 0;
  }
  fire(wakes);
}

AsyncWindow::AsyncWindow(AsyncLimits limits, Background& background, base::CancelToken cancel)
    : impl_(std::make_shared<Impl>(limits, background, std::move(cancel))) {
  impl_->cancel_id = impl_->cancel.subscribe([weak = std::weak_ptr(impl_)] {
    if (auto impl = weak.lock()) impl->open_for_all(true);
  });
}

base::WaitHandlePtr AsyncWindow::offer(uint64_t number, int64_t rows, int64_t bytes, std::function<void(AsyncDone)> start) {
  Impl& s = *impl_;
  {
    std::lock_guard lock(s.mutex);
    if (s.cancelled || s.discarded || number >= s.failed_at) return nullptr;
    if (!s.fits(number, rows, bytes, s.calls.empty())) {
      auto handle = std::make_shared<base::WaitHandle>();
      s.offerers.push_back({number, rows, bytes, handle});
      return handle;
    }
    if (auto handle = s.too_fast(number, rows)) return handle;
    s.calls.emplace(number, Impl::Call{rows, bytes, std::nullopt});
    s.rows += rows;
    s.bytes += bytes;
  }
  auto completion = std::make_shared<Impl::Completion>(impl_, number);
  start([completion = std::move(completion)](arrow::Result<AsyncResult> result) { completion->complete(std::move(result)); });
  return nullptr;
}

void AsyncWindow::close(uint64_t count) {
  Impl::Wakes wakes;
  {
    std::lock_guard lock(impl_->mutex);
    impl_->closed_at = std::min(impl_->closed_at, count);
    impl_->wake_takers(wakes);
  }
  Impl::fire(wakes);
}

void AsyncWindow::fail_from(uint64_t number) {
  Impl::Wakes wakes;
  {
    std::lock_guard lock(impl_->mutex);
    impl_->failed_at = std::min(impl_->failed_at, number);
    std::erase_if(impl_->offerers, [&](Impl::Offerer& o) {
      if (o.number < impl_->failed_at) return false;
      wakes.push_back(std::move(o.handle));
      return true;
    });
  }
  Impl::fire(wakes);
}

void AsyncWindow::discard() { impl_->open_for_all(false); }

AsyncWindow::Taken AsyncWindow::take() {
  Impl& s = *impl_;
  Taken taken;
  Impl::Wakes wakes;
  {
    std::lock_guard lock(s.mutex);
    taken.number = s.next;
    if (s.cancelled) {
      taken.result = s.cancel.check();
      return taken;
    }
    if (s.discarded || s.at_end()) {
      taken.end = true;
      return taken;
    }
    const std::optional<uint64_t> ready = s.ready_number();
    if (!ready) {
      taken.wait = std::make_shared<base::WaitHandle>();
      s.takers.push_back(taken.wait);
      return taken;
    }
    auto call = s.calls.extract(*ready);
    if (!s.limits.ordered) s.finished.pop_front();
    taken.number = *ready;
    taken.result = std::move(*call.mapped().result);
    s.rows -= call.mapped().rows;
    s.bytes -= call.mapped().bytes;
    s.next += 1;
    s.wake_offerers(wakes);
    s.wake_takers(wakes);
  }
  Impl::fire(wakes);
  return taken;
}

int64_t AsyncWindow::in_flight_rows() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->rows;
}

}  // namespace gristmill::sched
