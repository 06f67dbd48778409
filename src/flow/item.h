// An item on its way through a plan. All of it is changed under the lock of its run; the values of steps that are through may be read
// without.
#pragma once

#include <atomic>
#include <climits>
#include <cstdint>
#include <memory>
#include <vector>

#include "flow/plan.h"

namespace gristmill::flow {

constexpr int kThrough = -1;  // among the steps an item waits for

struct Scope;
using ScopePtr = std::shared_ptr<Scope>;

struct Item {
  Item(ScopePtr scope_, int64_t number, std::vector<Anything> values_);

  // Whether no step before the failed one can still fail: then which failure is told depends on no timing.
  bool failure_is_settled() const {
    for (int s = 0; s < failed; ++s) {
      if (waiting[static_cast<size_t>(s)] != kThrough) return false;
    }
    return true;
  }
  FlowCall told(int attempt) const;

  const ScopePtr scope;  // the items it belongs to
  const Plan& plan;
  const int64_t position;  // among them
  std::vector<Anything> values;
  std::vector<int> waiting;
  int left;
  int failed = INT_MAX;  // the smallest step that failed
  FlowFailure failure;
  std::vector<ScopePtr> below;    // open scopes of its steps
  std::atomic<bool> dead{false};  // through, or of no use any more; read without the lock too
};
using ItemPtr = std::shared_ptr<Item>;

}  // namespace gristmill::flow
