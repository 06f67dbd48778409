// Calls of a run: where one goes, and what it makes ready.

#include <algorithm>
#include <cmath>
#include <utility>

#include "flow/batches.h"
#include "flow/event_loop.h"
#include "flow/result_cache.h"
#include "flow/run.h"

namespace gristmill::flow {
namespace {

constexpr int kAnswersAStep = 64;

// A number in [0, 1) that depends on the item and the attempt alone.
double draw(const Item& item, int attempt) {
  uint64_t x = static_cast<uint64_t>(item.position) * 0x9E3779B97F4A7C15U + static_cast<uint64_t>(attempt) * 0xBF58476D1CE4E5B9U;
  for (const int64_t part : item.scope->key) x = (x ^ (x >> 29)) * 0x94D049BB133111EBU + static_cast<uint64_t>(part);
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  x ^= x >> 31;
  return static_cast<double>(x >> 11) * 0x1.0p-53;
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

// What others left to be gone on with: items that something within them made ready, and batches that are full.
bool Run::serve_ready() {
  std::vector<Request> full;
  std::vector<ScopePtr> ended;
  Ready next;
  {
    std::lock_guard lock(mutex_);
    full.swap(full_);
    ended.swap(ended_);
    if (!ready_.empty()) {
      next = std::move(ready_.front());
      ready_.pop_front();
    }
  }
  for (Request& request : full) go_on(std::move(request));
  for (const ScopePtr& scope : ended) end_source(scope);
  if (!next.item) return !full.empty() || !ended.empty();
  if (!next.item->dead) proceed(next.item, std::move(next.steps));
  return true;
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
  }
  if (request.dead()) return true;
  arrow::Result<Anything> value = compute(request);
  std::vector<int> ready;
  ended(request, std::move(value), &ready);
  proceed(request.item, std::move(ready));
  return true;
}

arrow::Result<Anything> Run::compute(const Request& request) {
  const Step& step = request.called();
  const CallWork work = work_of(request);
  if (observer_ && !work.source) observer_->call_began(step.name(), work.told);
  const int64_t began = observer_ ? wall_ns() : 0;
  arrow::Result<Anything> value = measured(*step.node, [&] { return called(work); });
  if (observer_) observer_->call_ended(step.name(), work.told, Way::kCompute, began);
  return value;
}

arrow::Result<Anything> Run::compute_walked(const Step& step, const std::vector<Anything>& values, const FlowCall& here) {
  std::vector<Anything> args;
  args.reserve(step.args.size());
  for (const int slot : step.args) args.push_back(values[static_cast<size_t>(slot)]);
  if (observer_) observer_->call_began(step.name(), here);
  const int64_t began = observer_ ? wall_ns() : 0;
  arrow::Result<Anything> value = measured(*step.node, [&] { return step.node->plain(args, here); });
  if (observer_) observer_->call_ended(step.name(), here, Way::kCompute, began);
  return value;
}

Anything Run::cached(Request& request) {
  const Node& node = *request.called().node;
  if (!node.rules.cache) return nullptr;
  try {
    request.key = std::make_shared<const std::string>(FlowCache::State::key_of(node, work_of(request).args));
    return node.rules.cache->state()->get(*request.key, *node.packing);
  } catch (...) {  // the user's flow_pack or flow_unpack
    fail(detail::exception_status());
    return nullptr;
  }
}

void Run::keep(const Request& request, const Anything& value) {
  const Node& node = *request.called().node;
  try {
    arrow::Status kept = node.rules.cache->state()->put(*request.key, value, *node.packing);
    if (!kept.ok()) fail(std::move(kept));
  } catch (...) {
    fail(detail::exception_status());
  }
}

// Calls that wait are under way before this thread computes; what it does not compute itself others may.
void Run::proceed(const ItemPtr& item, std::vector<int> ready) {
  while (!ready.empty()) {
    std::optional<Request> mine;
    std::vector<WaitingCalls*> offered;
    std::vector<int> maps;
    std::vector<int> next;
    bool left_some = false;
    for (const int index : ready) {
      const Step& step = item->plan.steps[static_cast<size_t>(index)];
      WaitingCalls* calls = waiting_[static_cast<size_t>(step.number)].get();
      Request request{index, item, 1};
      if (step.node->batch > 0) {
        std::lock_guard lock(mutex_);
        if (!item->dead) item->scope->batches->join(*item->scope, index, item, full_);
        left_some = left_some || !full_.empty();
      } else if (step.inner) {
        maps.push_back(index);
      } else if (Anything value = cached(request)) {
        tell_step(FlowEvent::What::kCached, item, index);
        tell_step(FlowEvent::What::kNodeEnd, item, index);
        step_ended(item, index, std::move(value), {}, &next);
      } else if (calls && step.node->way() != Way::kCompute) {
        calls->add(std::move(request));
        offered.push_back(calls);
      } else if (!mine) {
        mine = std::move(request);
      } else {
        std::lock_guard lock(mutex_);
        to_compute_.push_back(std::move(request));
        left_some = true;
      }
    }
    for (WaitingCalls* calls : offered) offer(*calls);
    for (const int index : maps) start_map(item, index);
    if (left_some) wake();
    ready = std::move(next);
    if (mine) ended(*mine, compute(*mine), &ready);
  }
}

void Run::go_on(Request request) {
  const Step& step = request.called();
  WaitingCalls* calls = waiting_[static_cast<size_t>(step.number)].get();
  if (calls && step.node->way() != Way::kCompute) {
    calls->add(std::move(request));
    offer(*calls);
  } else {
    std::lock_guard lock(mutex_);
    to_compute_.push_back(std::move(request));
  }
  wake();
}

void Run::again(const Request& request, double pause) {
  request.called().node->stats.repeated();
  Request next = request;
  ++next.attempt;
  if (pause <= 0) {
    go_on(std::move(next));
    return;
  }
  uint64_t number = 0;
  {
    std::lock_guard lock(mutex_);
    number = next_pause_++;
    pauses_.emplace(number, std::move(next));
  }
  const auto wait = std::chrono::ceil<std::chrono::nanoseconds>(std::chrono::duration<double>(std::min(pause, 1e9)));
  EventLoop::process().at(EventLoop::Clock::now() + wait, [weak = weak_from_this(), number] {
    if (const auto self = weak.lock()) self->after_pause(number);
  });
}

void Run::after_pause(uint64_t number) {
  Request next;
  {
    std::lock_guard lock(mutex_);
    const auto it = pauses_.find(number);
    if (it == pauses_.end()) return;
    next = std::move(it->second);
    pauses_.erase(it);
  }
  go_on(std::move(next));
}

double Run::pause_after(const Request& request, const arrow::Status& status) {
  const CallRules& rules = request.called().node->rules;
  if (!rules.retry || request.attempt > rules.retry->times) return -1;
  const Retry& r = *rules.retry;
  try {
    if (r.on && !r.on(status)) return -1;
  } catch (...) {
    fail(detail::exception_status());
    return -1;
  }
  const double pause = std::min(r.most, r.first * std::pow(r.factor, std::min(request.attempt - 1, 1000)));
  return pause * (1 - r.jitter * draw(*request.item, request.attempt));
}

void Run::ended(const Request& request, arrow::Result<Anything> value, std::vector<int>* ready) {
  if (request.values) {
    values_came(request, std::move(value));
    return;
  }
  const Step& step = request.called();
  if (!value.ok()) {
    step.node->stats.failed();
    const double pause = pause_after(request, value.status());
    if (pause >= 0) {
      tell_step(FlowEvent::What::kRetry, request.item, request.step, value.status(), request.attempt);
      again(request, pause);
      return;
    }
  }
  if (value.ok() && request.key) keep(request, *value);
  if (request.many) {
    ended_many(request, std::move(value));
  } else if (value.ok() && step.node->explodes) {
    start_values(request.item, request.step,
                 std::const_pointer_cast<detail::FlowSource>(std::static_pointer_cast<const detail::FlowSource>(*value)));
  } else {
    FlowFailure failure;
    if (!value.ok()) failure = failure_of(request.item, request.step, value.status(), request.attempt);
    tell_ended(request, request.item, value.status());
    step_ended(request.item, request.step, std::move(value), std::move(failure), ready);
  }
}

void Run::tell_ended(const Request& request, const ItemPtr& item, const arrow::Status& status) const {
  tell_step(status.ok() ? FlowEvent::What::kNodeEnd : FlowEvent::What::kNodeError, item, request.step, status, request.attempt);
}

// Each item goes on with its part, or has failed.
void Run::ended_many(const Request& request, arrow::Result<Anything> value) {
  for (size_t i = 0; i < request.many->size(); ++i) {
    const ItemPtr& item = (*request.many)[i];
    std::vector<int> ready;
    tell_ended(request, item, value.status());
    if (value.ok()) {
      step_ended(item, request.step, detail::as<detail::FlowValues>(*value)[i], {}, &ready);
    } else {
      step_ended(item, request.step, value.status(), failure_of(item, request.step, value.status(), request.attempt), &ready);
    }
    if (ready.empty()) continue;
    std::lock_guard lock(mutex_);
    ready_.push_back({item, std::move(ready)});
  }
  wake();
}

}  // namespace gristmill::flow
