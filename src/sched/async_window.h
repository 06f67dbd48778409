// The async call boundary: calls in flight bounded by rows, bytes and rate, results given back in order.
//
// A pipeline's sink offers batches of calls under a running number; the window starts them when it
// has room and keeps results until they are next in line (ordered) or at once (not ordered). The following pipeline's
// source takes them. No thread is held by a call in flight.
//
// Invariant: every offered call completes exactly once or the window is cancelled; take() gives numbers 0, 1, 2, ... when ordered.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "base/cancellation.h"
#include "base/waiting.h"
#include "sched/task.h"

namespace gristmill::sched {

struct AsyncLimits {
  int64_t rows = 4096;
  int64_t bytes = int64_t{64} << 20;
  double rows_per_second = 0;  // 0 = no limit
  bool ordered = true;
};

// A result is opaque to the scheduler.
using AsyncResult = std::shared_ptr<void>;
using AsyncDone = std::function<void(arrow::Result<AsyncResult>)>;

class AsyncWindow {
 public:
  AsyncWindow(AsyncLimits limits, Background& background, base::CancelToken cancel);
  // Starts `start(done)` now or later; a handle means: full, offer again when it fires (nothing was taken).
  base::WaitHandlePtr offer(uint64_t number, int64_t rows, int64_t bytes, std::function<void(AsyncDone)> start);
  void close(uint64_t count);  // no number >= count will be offered

  struct Taken {
    bool end = false;          // closed and everything was taken
    base::WaitHandlePtr wait;  // nothing ready
    uint64_t number = 0;
    arrow::Result<AsyncResult> result = AsyncResult{};
  };
  Taken take();
  int64_t in_flight_rows() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace gristmill::sched
