// An item on its way through a plan. All of it is changed under the lock of its run; the values of steps that are through may be read
// without.
#pragma once

#include <atomic>
#include <climits>
#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/status.h>

#include "flow/graph.h"

namespace gristmill::flow {

constexpr int kThrough = -1;  // among the steps an item waits for

struct Item {
  Item(const Plan& plan, int64_t number, std::vector<Anything> values_)
      : position(number), values(std::move(values_)), waiting(plan.waiting), left(static_cast<int>(plan.steps.size())) {}

  // Whether no step before the failed one can still fail: then which failure is told depends on no timing.
  bool failure_is_settled() const {
    for (int s = 0; s < failed; ++s) {
      if (waiting[static_cast<size_t>(s)] != kThrough) return false;
    }
    return true;
  }

  const int64_t position;
  std::vector<Anything> values;
  std::vector<int> waiting;
  int left;
  int failed = INT_MAX;  // the smallest step that failed
  arrow::Status status;
  int attempts = 0;
  std::atomic<bool> dead{false};  // through, or of no use any more; read without the lock too
};
using ItemPtr = std::shared_ptr<Item>;

// A step of an item to be called, for the n-th time.
struct Request {
  int step = 0;
  ItemPtr item;
  int attempt = 1;
};

}  // namespace gristmill::flow
