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

Run::Run(Plan plan, Inputs inputs, FlowOptions options, Delivery& delivery, base::CancelToken cancel)
    : plan_(std::move(plan)), inputs_(std::move(inputs)), options_(std::move(options)), delivery_(delivery), cancel_(std::move(cancel)) {}

void Run::begin(int workers) {
  slots_ = std::max(workers, 1);
  exhausted_ = inputs_.total() == 0;
  for (const Step& step : plan_.steps) {
    std::shared_ptr<WaitingCalls> calls;
    if (step.node->fixed != Way::kCompute) {
      calls = std::make_shared<WaitingCalls>(step, cancel_, count_, [weak = weak_from_this()] {
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
  if (compute_one()) {
    moved = true;
  } else {
    moved |= begin_items() == Begun::kSome;
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
  return live_.empty() && walking_ == 0 && !pulling_ && (exhausted_ || begun_ >= bound_);
}

bool Run::may_begin() const { return broken_.ok() && !enough_ && !exhausted_ && begun_ < bound_ && room() > 0; }

int64_t Run::room() const { return std::max<int64_t>(options_.window, 1) - (begun_ - delivery_.passed()); }

Run::Begun Run::begin_items() { return inputs_.total() < 0 ? begin_pulled() : begin_counted(); }

Run::Begun Run::begin_pulled() {
  Begun begun = Begun::kNone;
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
      exhausted_ = !more.ok() || !*more;
      if (!exhausted_) {
        item = std::make_shared<Item>(plan_, begun_++, std::move(values));
        live_.emplace(item->position, item);
      }
    }
    begun = Begun::kSome;
    if (!more.ok()) fail(more.status());
    if (!item) {
      wake();
      return begun;
    }
    proceed(item, plan_.first);
  }
  return begun;
}

Run::Begun Run::begin_counted() {
  const bool walk = plan_.computes();
  int64_t first = 0;
  int64_t last = 0;
  std::vector<ItemPtr> items;
  {
    std::lock_guard lock(mutex_);
    if (!may_begin()) return Begun::kNone;
    first = begun_;
    const int64_t left = std::min(inputs_.total() - first, room());
    int64_t count = std::min(left, kItemsAStep);
    if (walk) count = std::clamp<int64_t>(kWalkNs / std::max<int64_t>(plan_.item_ns(), 1), 1, std::max<int64_t>(left / (4 * slots_), 1));
    last = first + count;
    begun_ = last;
    exhausted_ = last == inputs_.total();
    if (walk) {
      walking_ += count;
    } else {
      for (int64_t i = first; i < last; ++i) {
        items.push_back(std::make_shared<Item>(plan_, i, plan_.values));
        live_.emplace(i, items.back());
      }
    }
  }
  if (walk) {
    walk_items(first, last);
    return Begun::kSome;
  }
  for (const ItemPtr& item : items) {
    inputs_.fill(item->values, item->position);
    proceed(item, plan_.first);
  }
  return Begun::kSome;
}

void Run::walk_items(int64_t first, int64_t last) {
  for (int64_t i = first; i < last; ++i) {
    {
      std::lock_guard lock(mutex_);
      if (!broken_.ok() || enough_ || i >= bound_) break;
    }
    std::vector<Anything> values = plan_.values;
    inputs_.fill(values, i);
    bool good = true;
    for (size_t s = 0; s < plan_.steps.size() && good; ++s) {
      arrow::Result<Anything> value = compute(static_cast<int>(s), values, i, 1);
      good = value.ok();
      if (good) {
        values[static_cast<size_t>(plan_.steps[s].out)] = std::move(*value);
      } else {
        failed(i, static_cast<int>(s), value.status(), 1);
      }
    }
    if (good) put(i, row_of(values));
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
  return bound_status_;
}

void Run::abandon() {
  for (const auto& calls : waiting_) {
    if (calls) calls->discard();
  }
}

void Run::settle() {
  abandon();
  count_->wait_for_none();
}

}  // namespace gristmill::flow
