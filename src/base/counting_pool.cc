// Invariant: the process is charged before and discharged before the query's own counter lets go, so the
// pool is never touched after the step that may destroy it.

#include "base/counting_pool.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <utility>

#include "base/block_heap.h"
#include "base/status.h"
#include "base/upstream_pool.h"

namespace gristmill::base {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max() / 4;  // sums of two of them do not overflow

// An empty buffer is freed through its pool like any other, so it counts, or the pool could go before it.
int64_t charge_of(int64_t size) { return std::max<int64_t>(size, 1); }

std::string shown_bytes(int64_t bytes) {
  char text[32];
  if (bytes < kMiB) {
    std::snprintf(text, sizeof(text), "%.1f KiB", static_cast<double>(bytes) / 1024);
  } else if (bytes < 1024 * kMiB) {
    std::snprintf(text, sizeof(text), "%.1f MiB", static_cast<double>(bytes) / static_cast<double>(kMiB));
  } else {
    std::snprintf(text, sizeof(text), "%.2f GiB", static_cast<double>(bytes) / static_cast<double>(1024 * kMiB));
  }
  return text;
}

}  // namespace

CountingPool::CountingPool(int64_t cap, ProcessBudget& process) : upstream_(upstream_pool()), process_(process), cap_(cap) {}

CountingPool* CountingPool::make(int64_t cap, ProcessBudget& process) {
  std::unique_ptr<CountingPool> pool(new CountingPool(cap, process));
  CountingPool* raw = pool.get();
  raw->self_ = std::move(pool);
  return raw;
}

void CountingPool::drop_owner() {
  if (account_.fetch_sub(kOwned, std::memory_order_acq_rel) == kOwned) const auto dying = std::move(self_);
}

int64_t CountingPool::query_limit(Line line) const {
  if (cap_ == 0) return kUnlimited;
  const int64_t limit = cap_ - cap_ / 32;  // the allocator keeps a little, too
  return line == Line::kLimit ? limit : limit + std::max(8 * kMiB, cap_ / 32);
}

int64_t CountingPool::process_slack(Line line) const {
  if (line == Line::kOverdraft) return 0;
  const int64_t limit = process_.limit();
  return std::min(std::max(8 * kMiB, limit / 32), limit / 8);
}

void CountingPool::note_peak(int64_t used) {
  int64_t peak = peak_.load(std::memory_order_relaxed);
  while (used > peak && !peak_.compare_exchange_weak(peak, used, std::memory_order_relaxed)) {
  }
}

bool CountingPool::fits(int64_t bytes, Line line, Refusal* why) const {
  const int64_t query_used = used();
  if (const int64_t limit = query_limit(line); bytes > limit - query_used) {
    *why = {false, limit, query_used, bytes - (limit - query_used), cap_};
    return false;
  }
  const int64_t process_used = process_.used();
  if (const int64_t limit = process_.limit() - process_slack(line); bytes > limit - process_used) {
    *why = {true, limit, process_used, bytes - (limit - process_used), process_.limit()};
    return false;
  }
  return true;
}

bool CountingPool::try_charge(int64_t bytes, Line line, Refusal* why) {
  if (!process_.try_add(bytes, process_slack(line))) {
    // The tighter line is the one to name.
    if (fits(bytes, line, why)) *why = {true, process_.limit() - process_slack(line), process_.used(), bytes, process_.limit()};
    return false;
  }
  int64_t now = 0;
  if (cap_ == 0) {
    now = account_.fetch_add(bytes, std::memory_order_relaxed);
  } else {
    // Compare and exchange, not add and take back: a refused giant must not refuse its neighbours for a moment.
    const int64_t limit = query_limit(line);
    now = account_.load(std::memory_order_relaxed);
    do {
      if (const int64_t query_used = now & (kOwned - 1); bytes > limit - query_used) {
        process_.sub(bytes);
        *why = {false, limit, query_used, bytes - (limit - query_used), cap_};
        return false;
      }
    } while (!account_.compare_exchange_weak(now, now + bytes, std::memory_order_relaxed));
  }
  note_peak((now & (kOwned - 1)) + bytes);
  return true;
}

void CountingPool::discharge(int64_t bytes) {
  process_.sub(bytes);
  if (account_.fetch_sub(bytes, std::memory_order_acq_rel) == bytes) const auto dying = std::move(self_);
}

bool CountingPool::try_reserve(int64_t bytes, Line line, Refusal* why) {
  if (!try_charge(bytes, line, why)) return false;
  reserved_.fetch_add(bytes, std::memory_order_relaxed);
  return true;
}

void CountingPool::unreserve(int64_t bytes) {
  reserved_.fetch_sub(bytes, std::memory_order_relaxed);
  discharge(bytes);
}

arrow::Status CountingPool::refused(const Refusal& why, int64_t wanted, const char* who) {
  const char* const whose = why.by_process ? "the process may use" : "the query may use";
  std::string message = "out of memory in ";
  message.append(who).append(": wanted ").append(shown_bytes(wanted)).append(", ").append(shown_bytes(why.used)).append(" of the ");
  message.append(shown_bytes(why.whole)).append(" ").append(whose).append(" are in use and nothing is left to spill");
  return memory_error(std::move(message), "raise memory_limit or GRISTMILL_MEMORY");
}

int64_t CountingPool::room() const {
  const int64_t of_process = process_.limit() - process_.used();
  return std::max<int64_t>(0, cap_ == 0 ? of_process : std::min(of_process, cap_ - used()));
}

// Freed pages that are resident still count against the limit, though nobody holds them. What small blocks leave in the allocator is not
// known: near the cap it is asked to let go once enough may lie there.
void CountingPool::return_freed_near_cap() {
  if (const int64_t most = room(); idle_bytes_at_most() > most && idle_bytes() > most) release_idle(most - std::min(most, cap_ / 16));
  if (cap_ == 0 || used() < cap_ / 4 * 3 || freed_.load(std::memory_order_relaxed) < std::max(8 * kMiB, cap_ / 32)) return;
  freed_.store(0, std::memory_order_relaxed);
  arrow::default_memory_pool()->ReleaseUnused();
}

void CountingPool::ReleaseUnused() {
  release_idle(room());
  arrow::default_memory_pool()->ReleaseUnused();
}

arrow::Status CountingPool::Allocate(int64_t size, int64_t alignment, uint8_t** out) {
  if (size < 0) return internal_error("negative allocation");
  return_freed_near_cap();
  Refusal why;
  if (!try_charge(charge_of(size), Line::kOverdraft, &why)) return refused(why, size, "an allocation");
  arrow::Status done = upstream_->Allocate(size, alignment, out);
  if (!done.ok()) discharge(charge_of(size));
  return done;
}

arrow::Status CountingPool::Reallocate(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t** ptr) {
  if (new_size < 0) return internal_error("negative reallocation");
  const int64_t more = charge_of(new_size) - charge_of(old_size);
  if (Refusal why; more > 0 && !try_charge(more, Line::kOverdraft, &why)) return refused(why, new_size, "an allocation");
  arrow::Status done = upstream_->Reallocate(old_size, new_size, alignment, ptr);
  if (done.ok() && more < 0) discharge(-more);
  if (!done.ok() && more > 0) discharge(more);
  return done;
}

void CountingPool::Free(uint8_t* buffer, int64_t size, int64_t alignment) {
  upstream_->Free(buffer, size, alignment);
  if (cap_ != 0 && !BlockHeap::takes(size, alignment)) freed_.fetch_add(size, std::memory_order_relaxed);
  discharge(charge_of(size));
}

}  // namespace gristmill::base
