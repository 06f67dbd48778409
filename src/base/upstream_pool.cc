// The sanitizer's pool counts nothing; the accounts above do.

#include "base/upstream_pool.h"

#include <arrow/memory_pool.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

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
#else
arrow::MemoryPool* upstream_pool() { return arrow::default_memory_pool(); }
#endif

}  // namespace gristmill::base
