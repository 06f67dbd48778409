// What becomes of an item when a step of it has ended, when it is through or has failed, by the rule of the run.

#include <utility>

#include "flow/batches.h"
#include "flow/run.h"

namespace gristmill::flow {
namespace {

// The user's message with its place.
arrow::Status told(const FlowFailure& failure) {
  std::string text = failure.status.message() + " (in function \"" + failure.node + "\" of item " + std::to_string(failure.item);
  for (size_t i = 0; i < failure.parts.size(); ++i) text += (i == 0 ? ", part " : ".") + std::to_string(failure.parts[i]);
  if (failure.attempts > 1) text += ", after " + std::to_string(failure.attempts) + " calls";
  return failure.status.WithMessage(text + ")");
}

}  // namespace

FlowFailure Run::failure_of(const ItemPtr& item, int step, const arrow::Status& status, int attempts) const {
  FlowCall call = item->told(attempts);
  return {call.item, item->plan.steps[static_cast<size_t>(step)].name(), status, attempts, std::move(call.parts)};
}

detail::FlowRow Run::row_of(const Plan& plan, std::vector<Anything>& values) const {
  std::vector<Anything> row;
  row.reserve(plan.wanted.size());
  for (const int slot : plan.wanted) row.push_back(values[static_cast<size_t>(slot)]);
  values.clear();
  return row;
}

void Run::tell(FlowEvent::What what, const ItemPtr& item, const arrow::Status& error) const {
  if (hears_ && !item->dead) observer_->tell(what, item->told(1), {}, error);
}

void Run::tell_step(FlowEvent::What what, const ItemPtr& item, int step, const arrow::Status& error, int attempt) const {
  if (hears_ && !item->dead) observer_->tell(what, item->told(attempt), item->plan.steps[static_cast<size_t>(step)].name(), error);
}

void Run::count_through(bool failed) const {
  if (observer_) observer_->item_through(failed);
}

void Run::hand_out() {
  const arrow::Result<bool> enough = delivery_.hand_out();
  if (!enough.ok()) {
    fail(enough.status());
  } else if (*enough) {
    std::lock_guard lock(mutex_);
    enough_ = true;
  }
}

void Run::put(int64_t position, Row row) {
  delivery_.add(position, std::move(row));
  hand_out();
}

void Run::fail(arrow::Status status) {
  {
    std::lock_guard lock(mutex_);
    if (broken_.ok()) broken_ = std::move(status);
  }
  wake();
}

void Run::fail_with(const FlowFailure& failure) { fail(told(failure)); }

// `failure`: if it is not ok.
void Run::step_ended(const ItemPtr& item, int step, arrow::Result<Anything> value, FlowFailure failure, std::vector<int>* ready) {
  if (!value.ok() && options_.errors == FlowErrors::kFail) {
    fail(told(failure));
    return;
  }
  bool good = false;
  {
    std::lock_guard lock(mutex_);
    if (item->dead) return;
    item->waiting[static_cast<size_t>(step)] = kThrough;
    if (value.ok()) {
      const Step& s = item->plan.steps[static_cast<size_t>(step)];
      if (*value) item->values[static_cast<size_t>(s.out)] = std::move(*value);
      --item->left;
      for (const int f : s.feeds) {
        if (--item->waiting[static_cast<size_t>(f)] == 0 && f < item->failed) ready->push_back(f);
      }
    } else if (step < item->failed) {
      item->failed = step;
      item->failure = std::move(failure);
    }
    if (item->failed == INT_MAX) {
      good = item->left == 0;
      if (!good) return;
    } else if (!item->failure_is_settled()) {
      return;
    }
    ready->clear();
  }
  good ? item_good(item) : item_failed(item);
}

void Run::item_good(const ItemPtr& item) {
  const ScopePtr scope = item->scope;
  tell(FlowEvent::What::kItemEnd, item);
  {
    std::lock_guard lock(mutex_);
    if (item->dead) return;
    remove(item);
    std::vector<Row> rows;
    if (!item->plan.tail) rows.emplace_back(row_of(item->plan, item->values));  // those of its generator have gone already
    pass(*scope, item->position, std::move(rows), true);
  }
  if (scope->kind == Scope::Kind::kRun) count_through(false);
  hand_out();
  settle_scope(scope);
  wake();
}

void Run::item_failed(const ItemPtr& item) {
  const ScopePtr scope = item->scope;
  const FlowFailure failure = item->failure;
  tell(FlowEvent::What::kItemError, item, failure.status);
  {
    std::lock_guard lock(mutex_);
    if (item->dead) return;
    remove(item);
  }
  if (scope->strict) {
    stop_at(scope, item->position, failure);
  } else {
    std::vector<Row> rows;
    if (options_.errors == FlowErrors::kReturn) {
      rows.emplace_back(detail::FlowRow(told(failure)));
    } else {
      left_out(failure);
    }
    {
      std::lock_guard lock(mutex_);
      pass(*scope, item->position, std::move(rows), true);
    }
    if (scope->kind == Scope::Kind::kRun) count_through(true);
    hand_out();
    settle_scope(scope);
  }
  wake();
}

void Run::failed_alone(const FlowFailure& failure) {
  if (hears_ && options_.errors != FlowErrors::kFail)
    observer_->tell(FlowEvent::What::kItemError, {.item = failure.item}, {}, failure.status);
  if (options_.errors == FlowErrors::kReturn || options_.errors == FlowErrors::kSkip) count_through(true);
  switch (options_.errors) {
    case FlowErrors::kFail: fail(told(failure)); break;
    case FlowErrors::kOrdered: stop_at(root_, failure.item, failure); break;
    case FlowErrors::kReturn: put(failure.item, detail::FlowRow(told(failure))); break;
    case FlowErrors::kSkip:
      left_out(failure);
      put(failure.item, std::nullopt);
      break;
  }
}

void Run::left_out(const FlowFailure& failure) {
  if (!options_.dead_letter) return;
  std::lock_guard lock(letters_);
  try {
    options_.dead_letter(failure);
  } catch (...) {
    fail(detail::exception_status());
  }
}

// The items from `position` on are of no use any more; those before it go on, and then all of the scope has failed.
void Run::stop_at(const ScopePtr& scope, int64_t position, const FlowFailure& failure) {
  {
    std::lock_guard lock(mutex_);
    if (scope->over || position >= scope->limit) return;
    scope->limit = position;
    scope->failure = failure;
    if (scope->kind == Scope::Kind::kRun) scope->failure.status = told(failure);
    kill_from(*scope, position);
    if (scope->batches) scope->batches->close(*scope, full_);
  }
  for (const auto& calls : waiting_) {
    if (calls) calls->cancel_dead();
  }
  settle_scope(scope);
  wake();
}

}  // namespace gristmill::flow
