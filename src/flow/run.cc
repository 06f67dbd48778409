// Nothing is missed: every event counts up `signals_`, and a worker goes to rest only if none came since it began to look.

#include "flow/run.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace gristmill::flow {
namespace {

constexpr int64_t kItemsAStep = 256;
constexpr int64_t kWalkNs = 200'000;  // what a worker takes at a time

}  // namespace

Run::Run(Plan plan, Inputs inputs, FlowOptions options, Delivery& delivery, base::CancelToken cancel, std::shared_ptr<Observer> observer)
    : plan_(std::move(plan)),
      inputs_(std::move(inputs)),
      options_(std::move(options)),
      delivery_(delivery),
      cancel_(std::move(cancel)),
      observer_(std::move(observer)),
      hears_(options_.on_event != nullptr) {}

void Run::begin(int workers) {
  slots_ = std::max(workers, 1);
  plan_.number(0);
  root_ = std::make_shared<Scope>(Scope::Kind::kRun, plan_, nullptr, 0,
                                  options_.errors == FlowErrors::kFail || options_.errors == FlowErrors::kOrdered);
  root_->closed = inputs_.total() == 0;
  std::vector<const Step*> steps;
  plan_.collect(steps);
  for (const Step* step : steps) {
    std::shared_ptr<WaitingCalls> calls;
    if (step->node->fixed != Way::kCompute) {
      calls = std::make_shared<WaitingCalls>(*step, cancel_, count_, observer_, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->wake();
      });
    }
    waiting_.push_back(std::move(calls));
  }
}

arrow::Status Run::state() const {
  ARROW_RETURN_NOT_OK(cancel_.check());
  std::lock_guard lock(mutex_);
  return broken_;
}

arrow::Result<sched::Step> Run::step(int slot) {
  uint64_t seen = 0;
  {
    std::lock_guard lock(mutex_);
    seen = signals_;
  }
  ARROW_RETURN_NOT_OK(state());
  bool moved = serve_calls();
  moved |= serve_ready();
  if (compute_one() || begin_inner()) {
    moved = true;
  } else {
    moved |= begin_items();
  }
  ARROW_RETURN_NOT_OK(state());
  if (moved) return sched::Step::progress();
  return rest(seen);
}

arrow::Result<sched::Step> Run::rest(uint64_t seen) {
  base::WaitHandlePtr handle;
  {
    std::lock_guard lock(mutex_);
    if (through()) return sched::Step::done();
    if (signals_ != seen) return sched::Step::progress();
    handle = std::make_shared<base::WaitHandle>();
    sleepers_.push_back(handle);
  }
  return sched::Step::blocked(std::move(handle));
}

void Run::wake() {
  std::vector<base::WaitHandlePtr> sleepers;
  {
    std::lock_guard lock(mutex_);
    ++signals_;
    sleepers.swap(sleepers_);
  }
  for (const auto& sleeper : sleepers) sleeper->fire();
}

bool Run::through() const {
  if (enough_) return true;
  return root_->live.empty() && walking_ == 0 && !pulling_ && (root_->closed || root_->started >= root_->limit);
}

bool Run::may_begin() const { return broken_.ok() && !enough_ && !root_->closed && root_->started < root_->limit && room() > 0; }

int64_t Run::room() const {
  return std::max<int64_t>({options_.window, 1, 2 * plan_.largest_batch}) - (root_->started - delivery_.passed());
}

bool Run::begin_items() { return inputs_.total() < 0 ? begin_pulled() : begin_counted(); }

bool Run::begin_pulled() {
  bool begun = false;
  for (int64_t n = 0; n < kItemsAStep; ++n) {
    {
      std::lock_guard lock(mutex_);
      if (pulling_ || !may_begin()) return begun;
      pulling_ = true;
    }
    std::vector<Anything> values = plan_.values;
    const arrow::Result<bool> more = inputs_.pull(values);
    ItemPtr item;
    {
      std::lock_guard lock(mutex_);
      pulling_ = false;
      if (more.ok() && *more) {
        item = add_item(root_, std::move(values));
      } else {
        close(*root_);
      }
    }
    begun = true;
    if (!more.ok()) fail(more.status());
    if (!item) {
      wake();
      return begun;
    }
    start(item);
  }
  return begun;
}

bool Run::begin_counted() {
  const bool walk = plan_.computes();
  int64_t first = 0;
  int64_t last = 0;
  std::vector<ItemPtr> items;
  {
    std::lock_guard lock(mutex_);
    if (!may_begin()) return false;
    first = root_->started;
    const int64_t left = std::min(inputs_.total() - first, room());
    int64_t count = std::min(left, kItemsAStep);
    if (walk) count = std::clamp<int64_t>(kWalkNs / std::max<int64_t>(plan_.item_ns(), 1), 1, std::max<int64_t>(left / (4 * slots_), 1));
    last = first + count;
    if (walk) {
      walking_ += count;
      root_->started = last;
    } else {
      for (int64_t i = first; i < last; ++i) items.push_back(add_item(root_, plan_.values));
    }
    if (last == inputs_.total()) close(*root_);
  }
  if (walk) {
    walk_items(first, last);
    return true;
  }
  for (const ItemPtr& item : items) {
    inputs_.fill(item->values, item->position);
    start(item);
  }
  return true;
}

void Run::walk_items(int64_t first, int64_t last) {
  for (int64_t i = first; i < last; ++i) {
    {
      std::lock_guard lock(mutex_);
      if (!broken_.ok() || enough_ || i >= root_->limit) break;
    }
    std::vector<Anything> values = plan_.values;
    inputs_.fill(values, i);
    const FlowCall here{.item = i};
    if (hears_) observer_->tell(FlowEvent::What::kItemStart, here);
    bool good = true;
    for (size_t n = 0; n < plan_.steps.size() && good; ++n) {
      const Step& s = plan_.steps[n];
      arrow::Result<Anything> value = compute_walked(s, values, here);
      good = value.ok();
      if (hears_) observer_->tell(good ? FlowEvent::What::kNodeEnd : FlowEvent::What::kNodeError, here, s.name(), value.status());
      if (good) {
        values[static_cast<size_t>(s.out)] = std::move(*value);
      } else {
        s.node->stats.failed();
        failed_alone({.item = i, .node = s.name(), .status = value.status()});
      }
    }
    if (!good) continue;
    if (hears_) observer_->tell(FlowEvent::What::kItemEnd, here);
    count_through(false);
    put(i, row_of(plan_, values));
  }
  {
    std::lock_guard lock(mutex_);
    walking_ -= last - first;
  }
  wake();
}

arrow::Status Run::finish() {
  for (const auto& calls : waiting_) {
    if (calls) calls->discard();
  }
  std::lock_guard lock(mutex_);
  return root_->limit == INT64_MAX ? arrow::Status::OK() : root_->failure.status;
}

void Run::abandon() {
  for (const auto& calls : waiting_) {
    if (calls) calls->discard();
  }
}

void Run::settle() {
  abandon();
  std::vector<ScopePtr> ended;
  std::map<uint64_t, Request> pauses;  // their values go outside the lock
  {
    std::lock_guard lock(mutex_);
    pauses.swap(pauses_);
    drop(*root_);
    ended.swap(ended_);
    wanting_.clear();
    empty_.clear();
    ready_.clear();
    to_compute_.clear();
    full_.clear();
  }
  for (const ScopePtr& scope : ended) end_source(scope);
  ended.clear();
  pauses.clear();
  count_->wait_for_none();
  waiting_.clear();
  root_ = nullptr;
  plan_ = Plan({}, {}, {});
  inputs_ = Inputs();
  options_ = FlowOptions();
  observer_ = nullptr;
}

}  // namespace gristmill::flow
