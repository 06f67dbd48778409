// Invariant: a page of a kept run is a used one of the heap, and of nobody else; kept runs of a thread never touch.

#include "base/block_cache.h"

#include <pthread.h>

#include <algorithm>
#include <memory>

namespace gristmill::base {

namespace {

int64_t whole_pages(int64_t size) { return (size + BlockHeap::kPage - 1) / BlockHeap::kPage * BlockHeap::kPage; }

BlockCache* cache_to_fork = nullptr;

thread_local bool thread_ends = false;  // what thread_locals of a thread free after its own is gone goes to the heap

}  // namespace

struct KeptOfThread {
  BlockCache::Kept* kept = nullptr;
  ~KeptOfThread() {
    thread_ends = true;
    if (kept != nullptr) BlockCache::instance().leave(kept);
  }
};

namespace {
thread_local KeptOfThread of_thread;
}

void BlockCache::Kept::erase(size_t i) {
  std::copy(runs.data() + i + 1, runs.data() + count, runs.data() + i);
  --count;
}

BlockCache& BlockCache::instance() {
  static BlockCache* const cache = [] {
    BlockHeap& heap = BlockHeap::instance();  // its locks are taken after ours when the process forks
    BlockCache* const made = std::unique_ptr<BlockCache>(new BlockCache(heap)).release();
    cache_to_fork = made;
    pthread_atfork([] { cache_to_fork->lock_all(); }, [] { cache_to_fork->unlock_all(); }, [] { cache_to_fork->unlock_all(); });
    return made;
  }();
  return *cache;
}

void BlockCache::lock_all() {
  mutex_.lock();
  for (Kept* k : all_) k->mutex.lock();
}

void BlockCache::unlock_all() {
  for (Kept* k : all_) k->mutex.unlock();
  mutex_.unlock();
}

BlockCache::Kept* BlockCache::kept_of_thread() {
  if (thread_ends) return nullptr;
  if (of_thread.kept == nullptr) of_thread.kept = enter();
  return of_thread.kept;
}

BlockCache::Kept* BlockCache::enter() {
  const std::lock_guard lock(mutex_);
  if (unused_.empty()) {
    all_.push_back(std::make_unique<Kept>().release());
    return all_.back();
  }
  Kept* const kept = unused_.back();
  unused_.pop_back();
  return kept;
}

void BlockCache::leave(Kept* kept) {
  flush(*kept);
  const std::lock_guard lock(mutex_);
  unused_.push_back(kept);
}

void BlockCache::flush(Kept& kept) {
  const std::lock_guard lock(kept.mutex);
  for (size_t i = 0; i < kept.count; ++i) heap_.free(kept.runs[i].at, kept.runs[i].bytes);
  kept.count = 0;
  kept.bytes = 0;
}

int64_t BlockCache::bytes() {
  const std::lock_guard lock(mutex_);
  int64_t sum = 0;
  for (Kept* k : all_) {
    const std::lock_guard own(k->mutex);
    sum += k->bytes;
  }
  return sum;
}

void BlockCache::flush() {
  const std::lock_guard lock(mutex_);
  for (Kept* k : all_) flush(*k);
}

// The newest of those that fit exactly, else the beginning of the smallest that is larger.
uint8_t* BlockCache::take(Kept& kept, int64_t bytes) {
  const std::lock_guard lock(kept.mutex);
  size_t best = kept.count;
  for (size_t i = kept.count; i-- > 0;) {
    const int64_t has = kept.runs[i].bytes;
    if (has >= bytes && (best == kept.count || has < kept.runs[best].bytes)) best = i;
    if (has == bytes) break;
  }
  if (best == kept.count) return nullptr;
  Run& run = kept.runs[best];
  uint8_t* const at = run.at;
  if (run.bytes == bytes) {
    kept.erase(best);
  } else {
    run.at += bytes;
    run.bytes -= bytes;
  }
  kept.bytes -= bytes;
  return at;
}

arrow::Status BlockCache::allocate(int64_t size, uint8_t** out) {
  if (size <= kLargest) {
    if (Kept* const kept = kept_of_thread()) {
      *out = take(*kept, whole_pages(size));
      if (*out != nullptr) return arrow::Status::OK();
    }
  }
  return heap_.allocate(size, out);
}

void BlockCache::free(uint8_t* block, int64_t size) {
  Kept* const kept = size <= kLargest ? kept_of_thread() : nullptr;
  if (kept == nullptr) return heap_.free(block, size);
  Run run{block, whole_pages(size)};
  std::array<Run, kRuns + 1> old;
  size_t olds = 0;
  {
    const std::lock_guard lock(kept->mutex);
    kept->bytes += run.bytes;
    for (size_t i = kept->count; i-- > 0;) {
      const Run& other = kept->runs[i];
      const bool before = other.at + other.bytes == run.at, behind = run.at + run.bytes == other.at;
      if (!before && !behind) continue;
      if (before) run.at = other.at;
      run.bytes += other.bytes;
      kept->erase(i);
    }
    kept->runs[kept->count++] = run;
    while (kept->count > kRuns || kept->bytes > kKept) {
      old[olds++] = kept->runs[0];
      kept->bytes -= kept->runs[0].bytes;
      kept->erase(0);
    }
  }
  for (size_t i = 0; i < olds; ++i) heap_.free(old[i].at, old[i].bytes);
}

}  // namespace gristmill::base
