// The async call boundary: calls in flight bounded by rows, bytes and rate, results given back in order.
//
// A pipeline's sink offers batches of calls under a running number; the window starts them when it
// has room and keeps results until they are next in line (ordered) or at once (not ordered). The following pipeline's
// source takes them. No thread is held by a call in flight.
//
// Rows and bytes count from the offer to the take, so waiting results are bounded too. One batch always has room in an
// empty window, and so has the next in line when ordered (else the window could fill up with what must wait for it).
//
// Invariant: every offered call completes exactly once or the window is cancelled; take() gives numbers 0, 1, 2, ... when ordered.
// Thread safe. A call may complete on any thread, also inside `start`; one that is dropped unanswered completes with an error.
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
  double rows_per_second = 0;  // 0 = no limit; else even pacing, catching up at most 10 ms
  bool ordered = true;
};

// A result is opaque to the scheduler.
using AsyncResult = std::shared_ptr<void>;
using AsyncDone = std::function<void(arrow::Result<AsyncResult>)>;

class AsyncWindow {
 public:
  // `background` times the rate and must outlive the window.
  AsyncWindow(AsyncLimits limits, Background& background, base::CancelToken cancel);
  // Runs `start(done)` on this thread and answers null; or a handle: full or too fast, offer again when it fires (nothing was taken).
  base::WaitHandlePtr offer(uint64_t number, int64_t rows, int64_t bytes, std::function<void(AsyncDone)> start);
  void close(uint64_t count);  // no number >= count will be offered
  // An error at `number`: it will not be offered, and those beyond are dropped and never waited with. Those before go on. The
  // consumer gets no end: it waits for `number` until it is abandoned, since the offering task is going to fail.
  void fail_from(uint64_t number);
  // Nobody takes any more (limit met, consumer abandoned): what is or will be offered is dropped, nobody waits.
  void discard();

  struct Taken {
    bool end = false;          // closed and everything was taken, or discarded
    base::WaitHandlePtr wait;  // nothing ready
    uint64_t number = 0;
    arrow::Result<AsyncResult> result = AsyncResult{};  // the call's answer; the reason when the query is cancelled
  };
  Taken take();
  int64_t in_flight_rows() const;  // offered, not taken

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace gristmill::sched
