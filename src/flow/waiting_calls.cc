// One worker at a time offers, so calls start in the order of the line; one at a time takes. Neither waits for the other.
//
// A start that the rate has counted and the window then refuses is given back, so that a rate is never held by a call that does not run.

#include "flow/waiting_calls.h"

#include <limits>
#include <utility>

#include "flow/blocking_pool.h"
#include "flow/event_loop.h"
#include "sched/task.h"

namespace gristmill::flow {
namespace {

constexpr int64_t kCoroutines = 10'000;

sched::AsyncLimits limits_of(const Node& node) {
  const CallRules& rules = node.rules;
  sched::AsyncLimits limits;
  limits.rows = rules.window > 0 ? rules.window : node.fixed == Way::kAsync ? kCoroutines : BlockingPool::kMostThreads;
  limits.bytes = rules.window_bytes > 0 ? rules.window_bytes : std::numeric_limits<int64_t>::max() / 2;
  limits.ordered = false;
  return limits;
}

}  // namespace

WaitingCalls::WaitingCalls(const Step& step, const base::CancelToken& cancel, std::shared_ptr<CallCount> count,
                           std::shared_ptr<Observer> observer, std::function<void()> news)
    : node_(step.node),
      name_(step.name()),
      count_(std::move(count)),
      observer_(std::move(observer)),
      news_(std::move(news)),
      window_(limits_of(*node_), sched::Scheduler::process().background(), cancel) {}

void WaitingCalls::add(Request request) {
  std::lock_guard lock(mutex_);
  if (!discarded_) line_.push_back(std::move(request));
}

void WaitingCalls::tell_when(const base::WaitHandlePtr& handle) {
  handle->on_ready([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->news_();
  });
}

// Nothing: too early, a timer comes back to it.
std::optional<RateLimit::State::Start> WaitingCalls::enter_rate() {
  const auto start = node_->rules.rate->state()->start(std::chrono::steady_clock::now());
  if (start.wait <= start.wait.zero()) return start;
  rate_timer_ = true;
  EventLoop::process().at(EventLoop::Clock::now() + start.wait, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    {
      std::lock_guard lock(self->mutex_);
      self->rate_timer_ = false;
    }
    self->news_();
  });
  return std::nullopt;
}

WaitingCalls::Turn WaitingCalls::offer_one(std::unique_lock<std::mutex>& lock, std::vector<Request>& compute) {
  if (line_.empty() || discarded_) return Turn::kNothing;
  if (line_.front().dead()) {
    line_.pop_front();
    return Turn::kStarted;
  }
  const Way way = node_->way();
  if (way == Way::kCompute) {
    compute.push_back(std::move(line_.front()));
    line_.pop_front();
    return Turn::kStarted;
  }
  const bool probe = way == Way::kUnknown;
  if (probe && probes_ > 0) return Turn::kLater;
  std::optional<RateLimit::State::Start> start;
  if (node_->rules.rate && !line_.front().values) {
    if (rate_timer_) return Turn::kLater;
    start = enter_rate();
    if (!start) return Turn::kLater;
  }
  const Request request = line_.front();
  CallWork work = work_of(request);
  if (observer_) {
    work.observer = observer_;
    work.name = name_;
  }
  const int64_t bytes = node_->rules.window_bytes > 0 && !work.source ? node_->bytes(work.args) : 0;
  const auto call = std::make_shared<OpenCall>(std::move(work), count_);
  const uint64_t number = next_number_;
  open_.emplace(number, Open{request, call});
  lock.unlock();
  auto news = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->news_();
  };
  const auto full = window_.offer(number, 1, bytes, [&](sched::AsyncDone done) { call->start(std::move(done), probe, news); });
  lock.lock();
  if (!full) {
    ++next_number_;
    probes_ += probe ? 1 : 0;
    if (discarded_) {
      call->cancel();
    } else {
      line_.pop_front();
    }
    return Turn::kStarted;
  }
  open_.erase(number);
  if (start) node_->rules.rate->state()->give_back(start->counted);
  room_ = full;
  lock.unlock();
  tell_when(full);
  lock.lock();
  return Turn::kLater;
}

bool WaitingCalls::offer(std::vector<Request>& compute) {
  std::unique_lock lock(mutex_);
  if (offering_ || line_.empty() || (room_ && !room_->ready())) return false;
  offering_ = true;
  room_ = nullptr;
  bool started = false;
  Turn turn = Turn::kStarted;
  while (turn == Turn::kStarted) {
    turn = offer_one(lock, compute);
    started |= turn == Turn::kStarted;
  }
  offering_ = false;
  offered_.notify_all();
  return started;
}

std::optional<Finished> WaitingCalls::take() {
  {
    std::lock_guard lock(mutex_);
    if (taking_ || discarded_ || open_.empty() || (ready_ && !ready_->ready())) return std::nullopt;
    taking_ = true;
  }
  sched::AsyncWindow::Taken taken = window_.take();
  std::optional<Finished> finished;
  {
    std::lock_guard lock(mutex_);
    taking_ = false;
    ready_ = taken.wait;
    const auto it = taken.wait ? open_.end() : open_.find(taken.number);
    if (it != open_.end() && !discarded_) {
      finished.emplace(Finished{std::move(it->second.request)});
      open_.erase(it);
      if (probes_ > 0) --probes_;
    }
  }
  if (taken.wait) tell_when(taken.wait);
  if (!finished) return std::nullopt;
  finished->value = taken.result.ok() ? arrow::Result<Anything>(std::move(*taken.result)) : arrow::Result<Anything>(taken.result.status());
  return finished;
}

void WaitingCalls::cancel_dead() {
  std::vector<std::shared_ptr<OpenCall>> calls;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [number, open] : open_) {
      if (open.request.dead()) calls.push_back(open.call);
    }
  }
  for (const auto& call : calls) call->cancel();
}

void WaitingCalls::discard() {
  std::map<uint64_t, Open> open;
  std::deque<Request> line;
  {
    std::unique_lock lock(mutex_);
    discarded_ = true;
    offered_.wait(lock, [this] { return !offering_; });
    open.swap(open_);
    line.swap(line_);
    node_ = nullptr;
    observer_ = nullptr;
  }
  window_.discard();
  for (const auto& [number, one] : open) one.call->cancel();
}

}  // namespace gristmill::flow
