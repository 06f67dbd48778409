// The Arrow memory pool of one query: forwards to upstream_pool() and counts.
//
// Arrow buffers keep only a raw pointer to their pool, and they leave the query. So the pool owns itself: one
// counter holds the bytes in use plus a large constant while an owner is there; who brings it to 0 (the owner
// that lets go, or the buffer freed last) destroys the pool. Thread safe; an allocation costs two atomic additions.
#pragma once

#include <arrow/memory_pool.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/memory_budget.h"

namespace gristmill::base {

class CountingPool final : public arrow::MemoryPool {
 public:
  // Owned until drop_owner() by the caller, by its buffers after that.
  static CountingPool* make(int64_t cap, ProcessBudget& process);
  void drop_owner();
  ~CountingPool() override = default;

  using MemoryPool::Allocate;
  using MemoryPool::Free;
  using MemoryPool::Reallocate;
  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t** out) override;
  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t** ptr) override;
  void Free(uint8_t* buffer, int64_t size, int64_t alignment) override;
  void ReleaseUnused() override;
  int64_t bytes_allocated() const override { return used() - reserved(); }
  int64_t max_memory() const override { return peak(); }
  int64_t total_bytes_allocated() const override { return -1; }  // not counted
  int64_t num_allocations() const override { return -1; }        // not counted
  std::string backend_name() const override { return upstream_->backend_name(); }

  // Which line was in the way.
  struct Refusal {
    bool by_process = false;
    int64_t limit = 0;
    int64_t used = 0;
    int64_t missing = 0;
    int64_t whole = 0;  // the limit as its owner set it
  };
  enum class Line { kLimit, kOverdraft };
  bool try_charge(int64_t bytes, Line line, Refusal* why);
  bool fits(int64_t bytes, Line line, Refusal* why) const;  // as try_charge, without charging
  void discharge(int64_t bytes);

  bool try_reserve(int64_t bytes, Line line, Refusal* why);
  void unreserve(int64_t bytes);

  int64_t cap() const { return cap_; }
  int64_t used() const { return account_.load(std::memory_order_relaxed) & (kOwned - 1); }
  int64_t reserved() const { return reserved_.load(std::memory_order_relaxed); }
  int64_t peak() const { return peak_.load(std::memory_order_relaxed); }
  ProcessBudget& process() const { return process_; }

  static arrow::Status refused(const Refusal& why, int64_t wanted, const char* who);

 private:
  static constexpr int64_t kOwned = int64_t{1} << 62;

  CountingPool(int64_t cap, ProcessBudget& process);
  int64_t query_limit(Line line) const;
  int64_t process_slack(Line line) const;  // what stays free of the process's limit
  void note_peak(int64_t used);
  void return_freed_near_cap();
  int64_t room() const;  // what may lie idle

  arrow::MemoryPool* const upstream_;
  ProcessBudget& process_;
  const int64_t cap_;
  std::unique_ptr<CountingPool> self_;
  alignas(64) std::atomic<int64_t> account_{kOwned};
  std::atomic<int64_t> peak_{0};
  std::atomic<int64_t> reserved_{0};
  std::atomic<int64_t> freed_{0};  // of small blocks, since the allocator was last asked to let go
};

}  // namespace gristmill::base
