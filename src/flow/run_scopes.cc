// Items within items: flows mapped inside, and the values of generators.
//
// A scope wants more while it has items to begin and room for them. Those that have none open go first and always, so that every item goes
// on; the others share the window of the run, the earliest rows first. Where a stream holds back rows of later items, only the generator
// whose rows are next is pulled.

#include <algorithm>
#include <iterator>
#include <utility>

#include "flow/batches.h"
#include "flow/event_loop.h"
#include "flow/run.h"

namespace gristmill::flow {
namespace {

constexpr int64_t kInner = 1024;  // items of one scope that are begun and not passed on
constexpr int64_t kPull = 64;     // values of a generator at a time

int64_t window_of(const FlowOptions& options) { return std::max<int64_t>(options.window, 1); }

int64_t room_in(const Scope& scope, const FlowOptions& options) {
  return std::max(std::min(kInner, window_of(options)), 2 * scope.plan.largest_batch) - (scope.started - scope.passed);
}

}  // namespace

// ---- what scopes want

bool Run::has_more(const Scope& scope) const {
  return !scope.over && !scope.closed && !scope.pulling && scope.started < scope.limit && room_in(scope, options_) > 0;
}

bool Run::is_head(const Scope& scope) const {
  if (!delivery_.streams() || !options_.ordered || scope.inside) return false;
  const Item* item = scope.parent.get();
  for (; item->scope->parent; item = item->scope->parent.get()) {
    if (item->position != item->scope->head) return false;
  }
  return item->position == delivery_.passed();
}

bool Run::rows_are_held_up(const Scope& scope) const {
  if (scope.kind != Scope::Kind::kValues || scope.inside || !delivery_.streams()) return false;
  const int64_t most = window_of(options_);
  if (delivery_.waiting() + held_rows_ < most) return false;
  return !is_head(scope) || delivery_.waiting_of(scope.key[0]) >= most;
}

void Run::want_more(const ScopePtr& scope) {
  if (!has_more(*scope)) return;
  if (!scope->live.empty() && !scope->batches) {
    wanting_.emplace(scope->key, scope);
  } else if (!scope->queued) {  // a batch must not wait for the items that wait for it
    scope->queued = true;
    empty_.push_back(scope);
  }
}

ScopePtr Run::next_scope() {
  while (!empty_.empty()) {
    ScopePtr scope = std::move(empty_.front());
    empty_.pop_front();
    scope->queued = false;
    if (!has_more(*scope)) continue;
    if (!rows_are_held_up(*scope)) return scope;
    wanting_.emplace(scope->key, scope);
  }
  while (!wanting_.empty()) {
    ScopePtr scope = wanting_.begin()->second;
    if (!has_more(*scope)) {  // it comes back when it has
      wanting_.erase(wanting_.begin());
      continue;
    }
    if (rows_are_held_up(*scope)) return nullptr;
    if (inner_ >= window_of(options_) && !scope->live.empty() && !is_head(*scope)) return nullptr;
    return scope;
  }
  return nullptr;
}

bool Run::begin_inner() {
  ScopePtr scope;
  ItemPtr item;
  {
    std::lock_guard lock(mutex_);
    if (!broken_.ok() || enough_) return false;
    scope = next_scope();
    if (!scope) return false;
    if (scope->kind == Scope::Kind::kValues) {
      scope->pulling = true;
      scope->most = std::min(kPull, room_in(*scope, options_));
      wanting_.erase(scope->key);
    } else {
      item = add_item(scope, scope->base);
      if (scope->started == scope->inputs->total()) close(*scope);
      want_more(scope);
    }
  }
  if (item) {
    scope->inputs->fill(item->values, item->position);
    start(item);
    return true;
  }
  Request pull{.step = scope->step, .item = scope->parent, .values = scope};
  if (scope->source->at_once) {
    values_came(pull, called(work_of(pull)));
  } else {
    go_on(std::move(pull));
  }
  return true;
}

// ---- their beginning

void Run::start_map(const ItemPtr& item, int step) {
  const Step& s = item->plan.steps[static_cast<size_t>(step)];
  const detail::FlowNested& nested = *s.node->nested;
  detail::FlowValues outer;
  for (const int slot : s.args) outer.push_back(item->values[static_cast<size_t>(slot)]);
  arrow::Result<Inputs> inputs = Inputs::make(*nested.graph, nested.given(outer));
  if (!inputs.ok()) {
    std::vector<int> ready;
    tell_step(FlowEvent::What::kNodeError, item, step, inputs.status());
    step_ended(item, step, inputs.status(), failure_of(item, step, inputs.status(), 1), &ready);
    return;
  }
  const auto scope = std::make_shared<Scope>(Scope::Kind::kMap, *s.inner, item, step, true);
  scope->base = s.inner->values;
  for (size_t i = 0; i < scope->base.size(); ++i) {
    if (inputs->fixed()[i]) scope->base[i] = inputs->fixed()[i];
  }
  scope->inputs = std::make_shared<const Inputs>(std::move(*inputs));
  tell_step(FlowEvent::What::kMapStart, item, step);
  {
    std::lock_guard lock(mutex_);
    if (item->dead) return;
    item->below.push_back(scope);
    if (scope->inputs->total() == 0) close(*scope);
    want_more(scope);
  }
  settle_scope(scope);
  wake();
}

void Run::start_values(const ItemPtr& item, int step, std::shared_ptr<detail::FlowSource> source) {
  const auto scope = std::make_shared<Scope>(Scope::Kind::kValues, *item->plan.tail, item, step, item->scope->strict);
  scope->source = std::move(source);
  {
    std::lock_guard lock(mutex_);
    if (item->dead) {
      ended_.push_back(scope);
    } else {
      item->below.push_back(scope);
      want_more(scope);
    }
  }
  wake();
}

// Values go on as items of their own; a failure stands where the next one would.
void Run::values_came(const Request& request, arrow::Result<Anything> value) {
  const ScopePtr& scope = request.values;
  const ItemPtr& item = request.item;
  detail::FlowSip sip;
  if (value.ok()) {
    sip = std::move(const_cast<detail::FlowSip&>(detail::as<detail::FlowSip>(*value)));
  } else {
    sip.error = value.status();
  }
  const bool failed = !sip.error.ok();
  const FlowFailure failure = failed ? failure_of(item, request.step, sip.error, 1) : FlowFailure();
  if (failed) request.called().node->stats.failed();
  std::vector<std::vector<Anything>> made(sip.values.size(), item->values);
  for (size_t i = 0; i < made.size(); ++i) made[i][static_cast<size_t>(request.called().out)] = std::move(sip.values[i]);
  std::vector<ItemPtr> through;
  std::vector<ItemPtr> begun;
  ItemPtr broken;
  {
    std::lock_guard lock(mutex_);
    scope->pulling = false;
    if (scope->over || item->dead) return;
    for (auto& values : made) {
      if (scope->started >= scope->limit) break;
      ItemPtr child = add_item(scope, std::move(values));
      if (scope->plan.steps.empty()) {
        through.push_back(std::move(child));
      } else {
        begun.push_back(std::move(child));
      }
    }
    if (failed && scope->started < scope->limit) broken = add_item(scope, {});
    if (failed || sip.end) close(*scope);
    want_more(scope);
  }
  for (const ItemPtr& child : through) {
    tell(FlowEvent::What::kItemStart, child);
    item_good(child);
  }
  for (const ItemPtr& child : begun) tell(FlowEvent::What::kItemStart, child);
  if (!begun.empty()) {
    std::lock_guard lock(mutex_);
    for (ItemPtr& child : begun) ready_.push_back({std::move(child), scope->plan.first});
  }
  if (failed) {
    tell_step(FlowEvent::What::kNodeError, item, request.step, sip.error);
  } else if (sip.end) {
    tell_step(FlowEvent::What::kNodeEnd, item, request.step);
  }
  if (broken) {
    broken->failure = failure;
    if (options_.errors == FlowErrors::kFail) {
      fail_with(failure);
    } else {
      item_failed(broken);
    }
  }
  if (failed || sip.end) end_source(scope);
  settle_scope(scope);
  wake();
}

// A coroutine is destroyed on its loop; what else gives values goes with the last who holds it.
void Run::end_source(const ScopePtr& scope) {
  if (!scope->source->end) return;
  count_->enter();
  EventLoop::process().post([source = scope->source, count = count_]() mutable {
    source->end();
    source.reset();
    count->leave();
  });
}

// ---- their items

void Run::start(const ItemPtr& item) {
  tell(FlowEvent::What::kItemStart, item);
  if (item->plan.steps.empty()) {
    item_good(item);
  } else {
    proceed(item, item->plan.first);
  }
}

ItemPtr Run::add_item(const ScopePtr& scope, std::vector<Anything> values) {
  auto item = std::make_shared<Item>(scope, scope->started++, std::move(values));
  scope->live.emplace(item->position, item);
  if (scope->kind != Scope::Kind::kRun) ++inner_;
  return item;
}

void Run::remove(const ItemPtr& item) {
  Scope& scope = *item->scope;
  item->dead = true;
  if (scope.live.erase(item->position) > 0 && scope.kind != Scope::Kind::kRun) --inner_;
  if (scope.batches) scope.batches->leave(scope, *item, full_);
  for (const ScopePtr& below : item->below) drop(*below);
  item->below.clear();
}

void Run::kill_from(Scope& scope, int64_t position) {
  for (auto it = scope.live.lower_bound(position); it != scope.live.end(); it = scope.live.lower_bound(position)) {
    const ItemPtr item = it->second;
    remove(item);
  }
}

void Run::drop(Scope& scope) {
  if (scope.over) return;
  scope.over = true;
  wanting_.erase(scope.key);
  if (scope.source) ended_.push_back(scope.shared_from_this());
  for (const auto& [position, held] : scope.held) held_rows_ -= scope.inside ? 0 : static_cast<int64_t>(held.rows.size());
  std::map<int64_t, ItemPtr> live;
  live.swap(scope.live);
  if (scope.kind != Scope::Kind::kRun) inner_ -= static_cast<int64_t>(live.size());
  for (const auto& [position, item] : live) {
    item->dead = true;
    for (const ScopePtr& below : item->below) drop(*below);
    item->below.clear();
  }
}

void Run::close(Scope& scope) {
  scope.closed = true;
  if (scope.batches) scope.batches->close(scope, full_);
}

void Run::pass(Scope& scope, int64_t position, std::vector<Row> rows, bool final) {
  if (scope.kind == Scope::Kind::kRun) {
    if (plan_.tail) {
      delivery_.add_some(position, std::move(rows), final);
    } else {
      delivery_.add(position, rows.empty() ? Row() : std::move(rows[0]));
    }
    return;
  }
  if (scope.kind == Scope::Kind::kMap) {
    std::vector<Row>& kept = scope.kept[position];
    std::move(rows.begin(), rows.end(), std::back_inserter(kept));
    scope.passed += final ? 1 : 0;
    want_more(scope.shared_from_this());
    return;
  }
  const auto up = [&](std::vector<Row> some) {
    if (!some.empty()) pass(*scope.parent->scope, scope.parent->position, std::move(some), false);
  };
  if (delivery_.streams() && !options_.ordered && !scope.inside) {
    up(std::move(rows));
    scope.passed += final ? 1 : 0;
  } else {
    Scope::Held& held = scope.held[position];
    const int64_t one = scope.inside ? 0 : 1;
    held_rows_ += one * static_cast<int64_t>(rows.size());
    std::move(rows.begin(), rows.end(), std::back_inserter(held.rows));
    held.final = held.final || final;
    for (auto it = scope.held.find(scope.head); it != scope.held.end(); it = scope.held.find(scope.head)) {
      held_rows_ -= one * static_cast<int64_t>(it->second.rows.size());
      up(std::exchange(it->second.rows, {}));
      if (!it->second.final) break;
      scope.held.erase(it);
      ++scope.head;
      ++scope.passed;
    }
  }
  want_more(scope.shared_from_this());
}

// ---- their end

// Whether it is through, and then what becomes of the step that made it.
void Run::settle_scope(const ScopePtr& scope) {
  if (scope->kind == Scope::Kind::kRun) return;
  const ItemPtr parent = scope->parent;
  bool failed = false;
  std::vector<detail::FlowValues> rows;
  {
    std::lock_guard lock(mutex_);
    if (scope->over || parent->dead) return;
    failed = scope->limit != INT64_MAX;
    if (failed ? !scope->live.empty() : !scope->closed || scope->passed < scope->started) return;
    scope->over = true;
    wanting_.erase(scope->key);
    std::erase(parent->below, scope);
    if (scope->source && !scope->closed) ended_.push_back(scope);
    for (auto& [position, kept] : scope->kept) {
      for (Row& row : kept) rows.push_back(std::move(**row));
    }
  }
  arrow::Result<Anything> value = Anything();
  FlowFailure failure;
  if (failed) {
    failure = scope->failure;
    value = failure.status;
  } else if (scope->kind == Scope::Kind::kMap) {
    value = parent->plan.steps[static_cast<size_t>(scope->step)].node->nested->gather(std::move(rows));
    tell_step(FlowEvent::What::kMapEnd, parent, scope->step);
  }
  std::vector<int> ready;
  step_ended(parent, scope->step, std::move(value), std::move(failure), &ready);
  if (ready.empty()) return;
  {
    std::lock_guard lock(mutex_);
    ready_.push_back({parent, std::move(ready)});
  }
  wake();
}

}  // namespace gristmill::flow
