// The column a window function fills, row by row in any sequence: a number each, or the row whose value of the argument is taken.
//
// Addressed by input row. Workers write different rows at the same time; a null clears its bit atomically.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/batch.h"
#include "exec/window_layout.h"

namespace gristmill::exec {

class WindowResult {
 public:
  static constexpr int64_t kNothing = -1, kDefault = -2;  // picks that are no rows

  static arrow::Result<WindowResult> make(const WindowTask& task, int64_t rows, bool picks, arrow::MemoryPool* pool);
  static bool picks(const WindowTask& task);
  static int64_t bytes_a_row(const WindowTask& task);

  void pick(int64_t row, int64_t from) { picked()[row] = from; }
  template <typename T>
  void set(int64_t row, T v) {
    reinterpret_cast<T*>(values_->mutable_data())[row] = v;
  }
  void set_null(int64_t row) {
    uint8_t* const byte = validity_->mutable_data() + (row >> 3);
    std::atomic_ref<uint8_t>(*byte).fetch_and(static_cast<uint8_t>(~(1u << (row & 7))), std::memory_order_relaxed);
    if (!nulls_->load(std::memory_order_relaxed)) nulls_->store(true, std::memory_order_relaxed);
  }
  template <typename T>
  T* values() {  // by row
    return reinterpret_cast<T*>(values_->mutable_data());
  }
  int64_t* picked() { return reinterpret_cast<int64_t*>(values_->mutable_data()); }

  // Rows [begin, begin + n) as a column; `rows` are the columns the function read.
  arrow::Result<column::Column> slice(const column::Batch& rows, int64_t begin, int64_t n, arrow::MemoryPool* pool) const;

 private:
  const WindowTask* task_ = nullptr;
  bool picks_ = false;
  int64_t rows_ = 0;
  std::shared_ptr<arrow::Buffer> values_, validity_;
  std::shared_ptr<std::atomic<bool>> nulls_;
};

}  // namespace gristmill::exec
