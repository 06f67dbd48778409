// Which of the two a block is in follows from its size, which whoever frees it knows. The pools here count little; the accounts above do.

#include "base/upstream_pool.h"

#include <arrow/memory_pool.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "base/block_cache.h"
#include "base/block_heap.h"

namespace gristmill::base {

#if defined(__SANITIZE_THREAD__)
namespace {

class MallocPool final : public arrow::MemoryPool {
 public:
  using MemoryPool::Allocate;
  using MemoryPool::Free;
  using MemoryPool::Reallocate;
  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t** out) override {
    const auto unit = static_cast<size_t>(std::max<int64_t>(alignment, 64));
    const size_t rounded = (static_cast<size_t>(std::max<int64_t>(size, 1)) + unit - 1) / unit * unit;
    *out = static_cast<uint8_t*>(std::aligned_alloc(unit, rounded));
    return *out == nullptr ? arrow::Status::OutOfMemory("malloc of ", size, " bytes failed") : arrow::Status::OK();
  }
  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t** ptr) override {
    uint8_t* fresh = nullptr;
    ARROW_RETURN_NOT_OK(Allocate(new_size, alignment, &fresh));
    std::memcpy(fresh, *ptr, static_cast<size_t>(std::min(old_size, new_size)));
    std::free(*ptr);
    *ptr = fresh;
    return arrow::Status::OK();
  }
  void Free(uint8_t* buffer, int64_t, int64_t) override { std::free(buffer); }
  int64_t bytes_allocated() const override { return -1; }
  int64_t total_bytes_allocated() const override { return -1; }
  int64_t num_allocations() const override { return -1; }
  std::string backend_name() const override { return "system"; }
};

}  // namespace

arrow::MemoryPool* upstream_pool() {
  static MallocPool pool;
  return &pool;
}

int64_t idle_bytes() { return 0; }
int64_t idle_bytes_at_most() { return 0; }
void release_idle(int64_t) {}
#else
namespace {

class BlockPool final : public arrow::MemoryPool {
 public:
  using MemoryPool::Allocate;
  using MemoryPool::Free;
  using MemoryPool::Reallocate;
  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t** out) override {
    return BlockHeap::takes(size, alignment) ? cache_.allocate(size, out) : small_->Allocate(size, alignment, out);
  }
  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t** ptr) override {
    const bool before = BlockHeap::takes(old_size, alignment), after = BlockHeap::takes(new_size, alignment);
    if (!before && !after) return small_->Reallocate(old_size, new_size, alignment, ptr);
    if (before && after && heap_.resize(*ptr, old_size, new_size)) return arrow::Status::OK();
    uint8_t* fresh = nullptr;
    ARROW_RETURN_NOT_OK(Allocate(new_size, alignment, &fresh));
    std::memcpy(fresh, *ptr, static_cast<size_t>(std::min(old_size, new_size)));
    Free(*ptr, old_size, alignment);
    *ptr = fresh;
    return arrow::Status::OK();
  }
  void Free(uint8_t* buffer, int64_t size, int64_t alignment) override {
    if (BlockHeap::takes(size, alignment)) return cache_.free(buffer, size);
    small_->Free(buffer, size, alignment);
  }
  void ReleaseUnused() override {
    release_idle(0);
    small_->ReleaseUnused();
  }
  int64_t bytes_allocated() const override { return heap_.used() - cache_.bytes() + small_->bytes_allocated(); }
  int64_t total_bytes_allocated() const override { return -1; }  // not counted
  int64_t num_allocations() const override { return -1; }        // not counted
  std::string backend_name() const override { return small_->backend_name(); }

 private:
  BlockHeap& heap_ = BlockHeap::instance();
  BlockCache& cache_ = BlockCache::instance();
  arrow::MemoryPool* const small_ = arrow::default_memory_pool();
};

// Who chose an allocator gets it for all; a sanitizer sees every block.
bool own_blocks() {
#if defined(__SANITIZE_ADDRESS__)
  return false;
#else
  static const bool own = std::getenv("ARROW_DEFAULT_MEMORY_POOL") == nullptr;
  return own;
#endif
}

}  // namespace

arrow::MemoryPool* upstream_pool() {
  if (!own_blocks()) return arrow::default_memory_pool();
  // Never destroyed, as its blocks may be freed after any static.
  static BlockPool* const pool = std::make_unique<BlockPool>().release();
  return pool;
}
int64_t idle_bytes() { return own_blocks() ? BlockHeap::instance().idle() + BlockCache::instance().bytes() : 0; }
int64_t idle_bytes_at_most() { return own_blocks() ? BlockHeap::instance().warm() : 0; }
void release_idle(int64_t keep) {
  if (!own_blocks()) return;
  if (idle_bytes() > keep) BlockCache::instance().flush();
  BlockHeap::instance().release(keep);
}
#endif

}  // namespace gristmill::base
