// Calls of a run: where one goes, and what it makes ready.

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status.h"
#include "flow/event_loop.h"
#include "flow/run.h"

namespace gristmill::flow {
namespace {

constexpr int kAnswersAStep = 64;

// A number in [0, 1) that depends on the item and the attempt alone.
double draw(int64_t item, int attempt) {
  uint64_t x = static_cast<uint64_t>(item) * 0x9E3779B97F4A7C15U + static_cast<uint64_t>(attempt) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  x ^= x >> 31;
  return static_cast<double>(x >> 11) * 0x1.0p-53;
}

// Seconds before the next call; less than 0: there is none.
double pause_after(const CallRules& rules, const Request& request, const arrow::Status& status) {
  if (!rules.retry || request.attempt > rules.retry->times || (rules.retry->on && !rules.retry->on(status))) return -1;
  const Retry& r = *rules.retry;
  const double pause = std::min(r.most, r.first * std::pow(r.factor, std::min(request.attempt - 1, 1000)));
  return pause * (1 - r.jitter * draw(request.item->position, request.attempt));
}

}  // namespace

bool Run::serve_calls() {
  bool moved = false;
  for (const auto& calls : waiting_) {
    if (calls) moved |= offer(*calls);
  }
  for (const auto& calls : waiting_) {
    if (!calls) continue;
    for (int n = 0; n < kAnswersAStep; ++n) {
      std::optional<Finished> finished = calls->take();
      if (!finished) break;
      moved = true;
      wake();  // there may be more for others
      std::vector<int> ready;
      ended(finished->request, std::move(finished->value), &ready);
      proceed(finished->request.item, std::move(ready));
    }
  }
  return moved;
}

bool Run::offer(WaitingCalls& calls) {
  std::vector<Request> compute;
  const bool moved = calls.offer(compute);
  if (!compute.empty()) {
    {
      std::lock_guard lock(mutex_);
      for (Request& request : compute) to_compute_.push_back(std::move(request));
    }
    wake();
  }
  return moved;
}

bool Run::compute_one() {
  Request request;
  {
    std::lock_guard lock(mutex_);
    if (to_compute_.empty()) return false;
    request = std::move(to_compute_.front());
    to_compute_.pop_front();
    if (request.item->dead) return true;
  }
  arrow::Result<Anything> value = compute(request.step, request.item->values, request.item->position, request.attempt);
  std::vector<int> ready;
  ended(request, std::move(value), &ready);
  proceed(request.item, std::move(ready));
  return true;
}

arrow::Result<Anything> Run::compute(int step, const std::vector<Anything>& values, int64_t position, int attempt) {
  const Step& s = plan_.steps[static_cast<size_t>(step)];
  std::vector<Anything> args;
  args.reserve(s.args.size());
  for (const int slot : s.args) args.push_back(values[static_cast<size_t>(slot)]);
  const FlowCall told{position, attempt, nullptr};
  CallStats& stats = s.node->stats;
  if (!stats.due()) {
    stats.count(1);
    return s.node->plain(args, told);
  }
  stats.count(1);
  const CallClock clock(false);
  arrow::Result<Anything> value = s.node->plain(args, told);
  clock.record(stats);
  return value;
}

// Calls that wait are under way before this thread computes; what it does not compute itself others may.
void Run::proceed(const ItemPtr& item, std::vector<int> ready) {
  while (!ready.empty()) {
    int mine = -1;
    std::vector<WaitingCalls*> offered;
    bool left_some = false;
    for (const int step : ready) {
      const auto s = static_cast<size_t>(step);
      if (waiting_[s] && plan_.steps[s].node->way() != Way::kCompute) {
        waiting_[s]->add({step, item, 1});
        offered.push_back(waiting_[s].get());
      } else if (mine < 0) {
        mine = step;
      } else {
        std::lock_guard lock(mutex_);
        to_compute_.push_back({step, item, 1});
        left_some = true;
      }
    }
    for (WaitingCalls* calls : offered) offer(*calls);
    if (left_some) wake();
    ready.clear();
    if (mine < 0) return;
    arrow::Result<Anything> value = compute(mine, item->values, item->position, 1);
    ended({mine, item, 1}, std::move(value), &ready);
  }
}

void Run::go_on(Request request) {
  const auto s = static_cast<size_t>(request.step);
  if (waiting_[s] && plan_.steps[s].node->way() != Way::kCompute) {
    waiting_[s]->add(std::move(request));
    offer(*waiting_[s]);
  } else {
    std::lock_guard lock(mutex_);
    to_compute_.push_back(std::move(request));
  }
  wake();
}

void Run::again(const Request& request, double pause) {
  plan_.steps[static_cast<size_t>(request.step)].node->stats.repeated();
  Request next{request.step, request.item, request.attempt + 1};
  if (pause <= 0) {
    go_on(std::move(next));
    return;
  }
  const auto wait = std::chrono::ceil<std::chrono::nanoseconds>(std::chrono::duration<double>(std::min(pause, 1e9)));
  EventLoop::process().at(EventLoop::Clock::now() + wait, [weak = weak_from_this(), next = std::move(next)] {
    if (const auto self = weak.lock()) self->go_on(next);
  });
}

void Run::ended(const Request& request, arrow::Result<Anything> value, std::vector<int>* ready) {
  const Step& step = plan_.steps[static_cast<size_t>(request.step)];
  const ItemPtr& item = request.item;
  if (!value.ok()) {
    step.node->stats.failed();
    const double pause = pause_after(step.node->rules, request, value.status());
    if (pause >= 0) {
      again(request, pause);
      return;
    }
    if (options_.errors == FlowErrors::kFail) {
      fail(told(item->position, request.step, value.status(), request.attempt));
      return;
    }
  }
  bool good = false;
  {
    std::lock_guard lock(mutex_);
    if (item->dead) return;
    item->waiting[static_cast<size_t>(request.step)] = kThrough;
    if (value.ok()) {
      item->values[static_cast<size_t>(step.out)] = std::move(*value);
      --item->left;
      for (const int f : step.feeds) {
        if (--item->waiting[static_cast<size_t>(f)] == 0 && f < item->failed) ready->push_back(f);
      }
    } else if (request.step < item->failed) {
      item->failed = request.step;
      item->status = value.status();
      item->attempts = request.attempt;
    }
    if (item->failed == INT_MAX) {
      good = item->left == 0;
      if (!good) return;
    } else if (!item->failure_is_settled()) {
      return;
    }
    item->dead = true;
    live_.erase(item->position);
    ready->clear();
  }
  if (good) {
    put(item->position, row_of(item->values));
  } else {
    item_failed(item);
  }
  wake();
}

}  // namespace gristmill::flow
