// Memory of hash tables, out of the query's pool: raw blocks, and an arena for strings.
//
// Everything a table holds is counted by the pool; a failed allocation is a Status and leaves what was there as it was.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "base/memory_budget.h"
#include "exec/group_row.h"
#include "exec/group_turns.h"

namespace gristmill::exec {

// A pool that, when memory is refused, asks again after others spilled, and after other workers of the aggregation came to an end
// of what they do.
class PatientPool final : public arrow::MemoryPool {
 public:
  // `spills`: for threads that hold no lock. Without, only waits.
  PatientPool(std::shared_ptr<base::QueryMemory> memory, Turns* turns, bool spills)
      : memory_(std::move(memory)), pool_(memory_->pool()), turns_(turns), spills_(spills) {}

  using MemoryPool::Allocate;
  using MemoryPool::Free;
  using MemoryPool::Reallocate;
  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t** out) override;
  arrow::Status Reallocate(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t** ptr) override;
  void Free(uint8_t* buffer, int64_t size, int64_t alignment) override { pool_->Free(buffer, size, alignment); }
  void ReleaseUnused() override { pool_->ReleaseUnused(); }
  int64_t bytes_allocated() const override { return pool_->bytes_allocated(); }
  int64_t max_memory() const override { return pool_->max_memory(); }
  int64_t total_bytes_allocated() const override { return pool_->total_bytes_allocated(); }
  int64_t num_allocations() const override { return pool_->num_allocations(); }
  std::string backend_name() const override { return pool_->backend_name(); }

 private:
  template <typename Attempt>
  arrow::Status insist(int64_t more, Attempt&& attempt);

  std::shared_ptr<base::QueryMemory> memory_;
  arrow::MemoryPool* pool_;
  Turns* turns_;
  bool spills_;
};

// A block of bytes that gives itself back. Contents undefined.
class PoolBytes {
 public:
  PoolBytes() = default;
  static arrow::Result<PoolBytes> allocate(int64_t bytes, arrow::MemoryPool* pool);
  PoolBytes(PoolBytes&& o) noexcept
      : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)), pool_(std::exchange(o.pool_, nullptr)) {}
  PoolBytes& operator=(PoolBytes&& o) noexcept {
    std::swap(data_, o.data_);
    std::swap(size_, o.size_);
    std::swap(pool_, o.pool_);
    return *this;
  }
  ~PoolBytes();

  uint8_t* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  uint8_t* data_ = nullptr;
  int64_t size_ = 0;
  arrow::MemoryPool* pool_ = nullptr;
};

// Bytes that live as long as the table. Pieces carry their capacity before them, so a longer life (last, max)
// can write over what it had.
class Arena {
 public:
  explicit Arena(int64_t largest_block) : largest_block_(largest_block) {}
  arrow::Result<uint8_t*> store(std::string_view bytes, arrow::MemoryPool* pool, int64_t capacity = 0);
  // `blob` becomes a copy of `bytes` that the arena owns; its old bytes, owned by this arena or none, are written over if they can hold it.
  arrow::Status assign(Blob* blob, std::string_view bytes, arrow::MemoryPool* pool);
  // `capacity` bytes, for give_back() with the same number: the next to ask for as many gets them.
  arrow::Result<uint8_t*> borrow(int64_t capacity, arrow::MemoryPool* pool);
  void give_back(uint8_t* piece, int64_t capacity);
  void adopt(Arena&& other);  // of the same largest block
  int64_t bytes() const { return bytes_; }
  void clear();

 private:
  arrow::Status new_block(int64_t wanted, arrow::MemoryPool* pool);

  struct Free {
    int64_t capacity;
    uint8_t* piece;  // each holds the address of the next
  };
  int64_t largest_block_;
  std::vector<PoolBytes> blocks_;
  std::vector<PoolBytes> large_;  // one piece each
  std::vector<Free> free_;
  uint8_t* at_ = nullptr;
  uint8_t* end_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace gristmill::exec
