// Order, back-pressure and bounded memory in one: W slots, flushed in sequence.
//
// A producer may work on seq only while seq < flushed + W. deliver() stores the slot; whoever delivers
// the next expected one flushes it and all that follow it (one flusher at a time; others go on). The byte
// cap: when the slots waiting out of order exceed it, the ring spills the furthest ones.
// A flush that answers Blocked keeps its slot; resume() goes on when the handle fired.
//
// Invariant: flush is called exactly once per seq 0, 1, 2, ... in order, by one thread at a time.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/waiting.h"

namespace gristmill::sched {

class RingSlot {
 public:
  virtual ~RingSlot() = default;
  virtual int64_t bytes() const = 0;
  virtual arrow::Status spill() { return arrow::Status::OK(); }  // flush reads it back
};

class OrderedRing {
 public:
  // What flushing one slot came to; `wait` set: not flushed, try again when it fires. `stop`: the sink wants no more (limit met).
  struct Flushed {
    base::WaitHandlePtr wait;
    bool stop = false;
  };
  using Flush = std::function<arrow::Result<Flushed>(uint64_t seq, RingSlot& slot)>;

  OrderedRing(uint64_t window, int64_t byte_cap, Flush flush);

  // Empty when seq may be worked on now; otherwise fires when the window moved.
  base::WaitHandlePtr wait_for_room(uint64_t seq);
  // Stores and flushes what has become consecutive. A returned handle: the flush is blocked, call resume() when it fires.
  arrow::Result<base::WaitHandlePtr> deliver(uint64_t seq, std::unique_ptr<RingSlot> slot);
  arrow::Result<base::WaitHandlePtr> resume();

  uint64_t flushed() const;      // all below are flushed
  bool stopped() const;          // a flush said stop
  int64_t slots_in_use() const;  // "queue depth" of the statistics
  int64_t waiting_bytes() const;
  // Frees memory by spilling waiting slots, the furthest first; what was freed.
  arrow::Result<int64_t> spill(int64_t bytes);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace gristmill::sched
