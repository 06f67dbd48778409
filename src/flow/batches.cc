#include "flow/batches.h"

#include <algorithm>

#include "flow/scope.h"

namespace gristmill::flow {
namespace {

constexpr int kJoined = -2;  // among the steps an item waits for

int64_t size_of(const Scope& scope, int step) { return scope.plan.steps[static_cast<size_t>(step)].node->batch; }

}  // namespace

Batches::Place Batches::send_if_full(const Scope& scope, Place place, std::vector<Request>& full) {
  const auto& [step, number] = place->first;
  Group& group = place->second;
  int64_t expected = size_of(scope, step);
  if (scope.closed || scope.limit != INT64_MAX) expected = std::min(expected, scope.started - number * expected);
  if (static_cast<int64_t>(group.items.size()) + group.gone < expected) return std::next(place);
  if (!group.items.empty()) {
    auto many = std::make_shared<std::vector<ItemPtr>>();
    for (auto& [position, item] : group.items) many->push_back(std::move(item));
    full.push_back({.step = step, .item = many->front(), .many = std::move(many)});
  }
  return open.erase(place);
}

void Batches::join(const Scope& scope, int step, const ItemPtr& item, std::vector<Request>& full) {
  const auto place = open.try_emplace({step, item->position / size_of(scope, step)}).first;
  item->waiting[static_cast<size_t>(step)] = kJoined;
  place->second.items.emplace(item->position, item);
  send_if_full(scope, place, full);
}

void Batches::leave(const Scope& scope, const Item& item, std::vector<Request>& full) {
  for (const int step : scope.plan.batched) {
    const int waits = item.waiting[static_cast<size_t>(step)];
    if (waits == kThrough) continue;
    const std::pair<int, int64_t> key{step, item.position / size_of(scope, step)};
    auto place = open.find(key);
    if (waits == kJoined) {
      if (place == open.end() || place->second.items.erase(item.position) == 0) continue;  // it was sent
    } else if (place == open.end()) {
      place = open.try_emplace(key).first;
    }
    ++place->second.gone;
    send_if_full(scope, place, full);
  }
}

void Batches::close(const Scope& scope, std::vector<Request>& full) {
  for (auto place = open.begin(); place != open.end();) place = send_if_full(scope, place, full);
}

}  // namespace gristmill::flow
