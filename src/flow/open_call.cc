// A time-out answers and then cancels; whatever the call says after that is dropped, since an answer is given once.

#include "flow/open_call.h"

#include <string>
#include <utility>

#include "base/status.h"
#include "flow/blocking_pool.h"

namespace gristmill::flow {
namespace {

constexpr std::chrono::milliseconds kLook{1};

}  // namespace

arrow::Result<Anything> called(const CallWork& work) {
  if (work.source) return Anything(std::make_shared<detail::FlowSip>(work.source->plain(work.most)));
  return work.node->plain(work.args, work.told);
}

void CallCount::enter() {
  std::lock_guard lock(mutex_);
  ++open_;
}

void CallCount::leave() {
  std::lock_guard lock(mutex_);
  if (--open_ == 0) none_.notify_all();
}

void CallCount::wait_for_none() {
  std::unique_lock lock(mutex_);
  none_.wait(lock, [this] { return open_ == 0; });
}

OpenCall::OpenCall(CallWork work, std::shared_ptr<CallCount> count) : held_(std::move(count)), node_(work.node), work_(std::move(work)) {
  work_.told.ended = ended_;
}

void OpenCall::forget() {
  work_.args.clear();
  work_.source = nullptr;
}

void OpenCall::start(sched::AsyncDone done, bool probe, std::function<void()> news) {
  node_->stats.count(1);
  {
    std::lock_guard lock(mutex_);
    done_ = std::move(done);
  }
  const auto self = shared_from_this();
  if (node_->fixed == Way::kAsync) {
    EventLoop::process().post([self] { self->start_coroutine(); });
  } else {
    BlockingPool::process().submit([self, probe, news = std::move(news)] { self->run_plain(probe, news); });
  }
}

void OpenCall::answer(arrow::Result<Anything> value) {
  sched::AsyncDone done;
  {
    std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  if (!done) return;
  if (value.ok()) {
    done(std::const_pointer_cast<void>(std::move(*value)));
  } else {
    done(value.status());
  }
}

void OpenCall::arm(std::chrono::nanoseconds timeout) {
  if (timeout.count() <= 0) return;
  const auto when = EventLoop::Clock::now() + timeout;
  std::lock_guard lock(mutex_);
  timer_ = EventLoop::process().at(when, [weak = weak_from_this(), timeout] {
    const auto self = weak.lock();
    if (!self) return;
    const auto ms = std::chrono::duration<double, std::milli>(timeout).count();
    std::string text = std::to_string(ms);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    self->answer(base::timeout_error("no answer within " + text + " ms"));
    self->cancel();
  });
}

void OpenCall::disarm() {
  std::optional<EventLoop::Timer> timer;
  {
    std::lock_guard lock(mutex_);
    timer.swap(timer_);
  }
  if (timer) EventLoop::process().drop(*timer);
}

void OpenCall::start_coroutine() {
  if (ended_->load()) {
    forget();
    return;
  }
  tell_begin();
  began_ = wall_ns();
  arm(node_->rules.timeout);
  task_.emplace(work_.source ? work_.source->coroutine(work_.most) : node_->coroutine(std::move(work_.args), work_.told));
  task_->start([self = shared_from_this()] {
    self->node_->stats.record(wall_ns() - self->began_, 0);
    self->tell_end();
    self->answer(std::move(self->task_->answer()));
    EventLoop::process().post([self] { self->end_coroutine(); });
  });
}

void OpenCall::tell_begin() {
  if (work_.observer && !work_.source) work_.observer->call_began(work_.name, work_.told);
}

void OpenCall::tell_end() {
  if (work_.observer)
    work_.observer->call_ended(work_.name, work_.told, node_->fixed == Way::kAsync ? Way::kAsync : Way::kBlocking, began_);
}

void OpenCall::end_coroutine() {
  if (!task_) return;
  task_.reset();
  forget();
  disarm();
}

void OpenCall::run_plain(bool probe, const std::function<void()>& news) {
  if (!ended_->load()) {
    tell_begin();
    arm(node_->rules.timeout);
    running_ = true;
    if (probe) watch(std::make_shared<CallProbe>(), news);
    std::optional<CallClock> clock;
    if (probe || node_->stats.due()) clock.emplace(true);
    began_ = wall_ns();
    arrow::Result<Anything> value = called(work_);
    tell_end();
    if (clock) clock->record(node_->stats);
    running_ = false;
    forget();
    answer(std::move(value));
    disarm();
  } else {
    forget();
  }
}

void OpenCall::watch(std::shared_ptr<CallProbe> probe, std::function<void()> news) {
  EventLoop::process().at(EventLoop::Clock::now() + kLook, [weak = weak_from_this(), probe, news = std::move(news)] {
    const auto self = weak.lock();
    if (!self || !self->running_) return;
    const Way way = probe->look();
    if (way == Way::kUnknown) {
      self->watch(probe, news);
      return;
    }
    self->node_->stats.set_verdict(way);
    news();
  });
}

void OpenCall::cancel() {
  if (ended_->exchange(true)) return;
  answer(base::cancelled_error("the call was cancelled"));
  if (node_->fixed == Way::kAsync) EventLoop::process().post([self = shared_from_this()] { self->end_coroutine(); });
}

}  // namespace gristmill::flow
