// Invariant: a page belongs to one block or to one free run, and two free runs never touch; a page whose bit is not set is not resident.

#include "base/block_heap.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <iterator>
#include <memory>

#include "base/status.h"

namespace gristmill::base {
namespace {

constexpr int64_t kRegion = int64_t{1} << 30;  // of address space
constexpr int64_t kHugePage = int64_t{2} << 20;
constexpr int64_t kPages = kRegion / BlockHeap::kPage;
constexpr int64_t kLooks = 256;             // operations between two looks at the clock
constexpr int64_t kWindow = 1'000'000'000;  // ns

int64_t pages_of(int64_t size) { return (size + BlockHeap::kPage - 1) / BlockHeap::kPage; }

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::mutex* mutex_to_fork = nullptr;

}  // namespace

BlockHeap& BlockHeap::instance() {
  static BlockHeap* const heap = [] {
    BlockHeap* const made = std::make_unique<BlockHeap>().release();
    mutex_to_fork = &made->mutex_;
    // A child in which the lock is held by a thread that is not there could free nothing.
    pthread_atfork([] { mutex_to_fork->lock(); }, [] { mutex_to_fork->unlock(); }, [] { mutex_to_fork->unlock(); });
    return made;
  }();
  return *heap;
}

BlockHeap::~BlockHeap() {
  for (const Region& r : regions_) munmap(r.mapped, static_cast<size_t>(kRegion + kHugePage));
}

arrow::Status BlockHeap::add_region() {
  void* const at = mmap(nullptr, static_cast<size_t>(kRegion + kHugePage), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                        -1, 0);
  if (at == MAP_FAILED) return arrow::Status::OutOfMemory("the system gives no more memory: mmap of ", kRegion, " bytes failed");
  Region r;
  r.mapped = at;
  r.base = reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(at) + kHugePage - 1) & ~static_cast<uintptr_t>(kHugePage - 1));
  r.warm.resize(static_cast<size_t>(kPages / 64));
  (void)madvise(r.base, static_cast<size_t>(kRegion), MADV_HUGEPAGE);
  uint8_t* const base = r.base;
  regions_.push_back(std::move(r));
  insert(base, kPages);
  return arrow::Status::OK();
}

BlockHeap::Region& BlockHeap::region_of(const uint8_t* at) {
  return *std::find_if(regions_.begin(), regions_.end(), [&](const Region& r) { return at >= r.base && at < r.base + kRegion; });
}

// Runs of two regions never touch: the mapping is longer than its region by more than the alignment leaves over before it.
void BlockHeap::insert(uint8_t* at, int64_t pages) {
  const auto next = free_.lower_bound(at);
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second * kPage == at) {
      at = before->first;
      pages += before->second;
      erase(before);
    }
  }
  if (next != free_.end() && at + pages * kPage == next->first) {
    pages += next->second;
    erase(next);
  }
  free_.emplace(at, pages);
  by_size_.emplace(pages, at);
}

void BlockHeap::erase(std::map<uint8_t*, int64_t>::iterator run) {
  by_size_.erase({run->second, run->first});
  free_.erase(run);
}

void BlockHeap::take(uint8_t* at, int64_t pages) {
  const int64_t fresh = set_warm(at, pages, true);
  warm_.fetch_add(fresh * kPage, std::memory_order_relaxed);
  used_.fetch_add(pages * kPage, std::memory_order_relaxed);
}

int64_t BlockHeap::set_warm(uint8_t* at, int64_t pages, bool warm) {
  Region& r = region_of(at);
  int64_t changed = 0;
  int64_t page = (at - r.base) / kPage;
  for (const int64_t end = page + pages; page < end;) {
    const int64_t bit = page % 64, n = std::min(64 - bit, end - page);
    const uint64_t mask = (n == 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1) << bit;
    uint64_t& word = r.warm[static_cast<size_t>(page / 64)];
    changed += std::popcount(mask & (warm ? ~word : word));
    word = warm ? word | mask : word & ~mask;
    page += n;
  }
  return changed;
}

arrow::Status BlockHeap::allocate(int64_t size, uint8_t** out) {
  const int64_t pages = pages_of(size);
  const std::lock_guard lock(mutex_);
  auto best = by_size_.lower_bound({pages, nullptr});
  if (best == by_size_.end()) {
    ARROW_RETURN_NOT_OK(add_region());
    best = by_size_.lower_bound({pages, nullptr});
  }
  const auto [length, at] = *best;
  erase(free_.find(at));
  if (length > pages) insert(at + pages * kPage, length - pages);
  take(at, pages);
  *out = at;
  tick();
  return arrow::Status::OK();
}

void BlockHeap::free(uint8_t* block, int64_t size) {
  const int64_t pages = pages_of(size);
  const std::lock_guard lock(mutex_);
  used_.fetch_sub(pages * kPage, std::memory_order_relaxed);
  insert(block, pages);
  tick();
}

bool BlockHeap::resize(uint8_t* block, int64_t from, int64_t to) {
  const int64_t had = pages_of(from), wanted = pages_of(to);
  if (had == wanted) return true;
  const std::lock_guard lock(mutex_);
  if (wanted < had) {
    used_.fetch_sub((had - wanted) * kPage, std::memory_order_relaxed);
    insert(block + wanted * kPage, had - wanted);
    return true;
  }
  uint8_t* const end = block + had * kPage;
  const auto behind = free_.find(end);
  if (behind == free_.end() || behind->second < wanted - had) return false;
  const int64_t length = behind->second;
  erase(behind);
  if (length > wanted - had) insert(block + wanted * kPage, length - (wanted - had));
  take(end, wanted - had);
  return true;
}

void BlockHeap::release(int64_t keep) {
  const std::lock_guard lock(mutex_);
  release_locked(keep);
}

void BlockHeap::release_locked(int64_t keep) {
  for (auto run = by_size_.rbegin(); run != by_size_.rend() && idle() > keep; ++run) {
    const auto [pages, at] = *run;
    const int64_t gone = set_warm(at, pages, false);
    if (gone == 0) continue;
    (void)madvise(at, static_cast<size_t>(pages * kPage), MADV_DONTNEED);
    warm_.fetch_sub(gone * kPage, std::memory_order_relaxed);
  }
  least_idle_ = std::min(least_idle_, idle());
}

void BlockHeap::tick() {
  least_idle_ = std::min(least_idle_, idle());
  if (++operations_ % kLooks != 0) return;
  const int64_t time = now();
  if (time - window_began_ < kWindow) return;
  if (window_began_ > 0) release_locked(idle() - least_idle_);
  window_began_ = time;
  least_idle_ = idle();
}

}  // namespace gristmill::base
