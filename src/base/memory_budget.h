// The limit that holds: one budget a process, a cap per query, spilling before failing.
//
// Bytes enter an account in two ways: Arrow buffers through the account's pool, and
// reservations for what is about to be allocated (a claim's worst case). Accounts nest:
// query -> process. When a reservation is refused, the refused thread itself calls
// spill() of the largest holder, one call at a time per holder, at a place where it
// holds no lock of an operator; nothing left to spill is the error.
// Where the process's limit is what refuses, holders of other queries are asked too.
//
// The pool outlives every buffer allocated from it: it goes when the query, every
// `pool_owner` and the last buffer are gone. A ProcessBudget outlives its queries and their buffers.
//
// Two lines: reservations and ensure_headroom() stop at the limit, allocations an overdraft later
// (a query: 31/32 of its cap, + max(8 MiB, cap / 32); the process: its last max(8 MiB, 1/32), at most 1/8 of it),
// so that a morsel which began can end. Inside spill() reservations may use the overdraft and never spill.
#pragma once

#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace gristmill::base {

// An operator's state that can go to disk.
class Spillable {
 public:
  virtual ~Spillable() = default;
  virtual std::string spill_name() const = 0;
  // Bytes that a spill() now could free. Called from any thread, under the registry's lock: read a counter,
  // take no lock that is held while registering.
  virtual int64_t spillable_bytes() const = 0;
  // Frees about `bytes`, more if cheaper; returns what was freed. Called from any worker
  // thread, never twice at once for one holder. 0 means "nothing can go".
  virtual arrow::Result<int64_t> spill(int64_t bytes) = 0;
};

class SpillRegistry;

class ProcessBudget {
 public:
  static ProcessBudget& instance();  // 60 % of what the cgroup allows, or GRISTMILL_MEMORY
  explicit ProcessBudget(int64_t limit);
  ~ProcessBudget();
  int64_t limit() const { return limit_.load(); }
  void set_limit(int64_t bytes) { limit_.store(bytes); }
  int64_t used() const { return used_.load(); }
  bool try_add(int64_t bytes, int64_t keep_free = 0);  // false when it would pass the limit less `keep_free`
  void add(int64_t bytes) { used_.fetch_add(bytes); }
  void sub(int64_t bytes) { used_.fetch_sub(bytes); }
  SpillRegistry& holders() { return *holders_; }

 private:
  std::atomic<int64_t> limit_;
  alignas(64) std::atomic<int64_t> used_{0};
  std::unique_ptr<SpillRegistry> holders_;
};

class QueryMemory;

// Bytes promised to someone; given back on destruction. Movable, not copyable.
class Reservation {
 public:
  Reservation() = default;
  Reservation(Reservation&& o) noexcept;
  Reservation& operator=(Reservation&& o) noexcept;
  ~Reservation() { release(); }
  int64_t bytes() const { return bytes_; }
  arrow::Status grow_to(int64_t bytes);  // may spill others; error at the end of the road
  void shrink_to(int64_t bytes);
  void release() { shrink_to(0); }

 private:
  friend class QueryMemory;
  std::shared_ptr<QueryMemory> owner_;
  const char* who_ = "";
  int64_t bytes_ = 0;
};

class QueryMemory : public std::enable_shared_from_this<QueryMemory> {
 public:
  // cap 0 = only the process budget limits it.
  static std::shared_ptr<QueryMemory> make(int64_t cap, ProcessBudget& process = ProcessBudget::instance());
  ~QueryMemory();

  // Counting pool: allocation beyond the limit plus the overdraft fails with a memory error.
  arrow::MemoryPool* pool();
  // Keeps pool and account alive; attach it to buffers that leave the query.
  std::shared_ptr<void> pool_owner();

  int64_t cap() const;
  int64_t used() const;  // pool bytes + reservations
  int64_t peak() const;
  int64_t spilled_bytes() const;
  // How close to the limit (the tighter of cap and process), 0..1 and above.
  double pressure() const;
  bool limited() const;  // has a cap at all

  arrow::Result<Reservation> reserve(int64_t bytes, const char* who);
  // At a morsel boundary: spills until used() + `headroom` fits, or says that nothing is left.
  arrow::Status ensure_headroom(int64_t headroom, const char* who);

  void register_spillable(Spillable* s);
  void unregister_spillable(Spillable* s);  // waits for a running spill of it
  void count_spilled(int64_t bytes);

 private:
  friend class Reservation;
  QueryMemory() = default;
  arrow::Status acquire(int64_t bytes, int64_t own, const char* who);
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace gristmill::base
