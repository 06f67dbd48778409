// Who can go to disk, and the choice of who goes next: the largest, one spill at a time per holder.
//
// One registry a process budget; every holder belongs to an account (a query). Thread safe. spill() of a
// holder runs on the asking thread outside the lock. Who finds enough already on its way to disk waits for that.
#pragma once

#include <arrow/status.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/memory_budget.h"

namespace gristmill::base {

class SpillRegistry {
 public:
  void add(Spillable* holder, const void* account);
  void remove(Spillable* holder);  // waits for a running spill of it
  void remove_all(const void* account);

  enum class Outcome { kFreed, kNothingFreed, kWaited, kNobody };
  // Asks the largest holder of `account` (nullptr: of any) that is not in `dry` for `bytes`. Who frees nothing
  // joins `dry`. A failed spill of the caller's own holder is the caller's error; of another's, only a dry holder.
  arrow::Result<Outcome> spill_largest(int64_t bytes, const void* account, const void* own, std::vector<Spillable*>& dry);

  static bool inside_spill();  // this thread runs somebody's spill() now

 private:
  struct Holder {
    Spillable* spillable;
    const void* account;
    int64_t asked = 0;  // > 0 while its spill() runs
    std::thread::id spiller{};
  };
  Holder* find(Spillable* holder);
  void wait_until_idle(std::unique_lock<std::mutex>& lock, Spillable* holder);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Holder> holders_;
};

}  // namespace gristmill::base
