// Which build rows a probe row has matched: a bit each, set by any worker at any time, read when all have finished.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>

#include <arrow/result.h>

#include "column/buffers.h"
#include "column/selection.h"
#include "exec/join_table.h"

namespace gristmill::exec {

class BuildMarks {
 public:
  static arrow::Result<std::unique_ptr<BuildMarks>> make(int64_t rows, arrow::MemoryPool* pool) {
    ARROW_ASSIGN_OR_RAISE(auto bits, column::allocate_zeroed((rows + 63) / 64 * 8, pool));
    return std::unique_ptr<BuildMarks>(new BuildMarks(rows, std::move(bits)));
  }

  void mark(int32_t row) {
    std::atomic_ref<uint64_t> word(words()[row >> 6]);
    const uint64_t bit = uint64_t{1} << (row & 63);
    if (!(word.load(std::memory_order_relaxed) & bit)) word.fetch_or(bit, std::memory_order_relaxed);
  }

  bool marked(int32_t row) const {
    return (std::atomic_ref<uint64_t>(words()[row >> 6]).load(std::memory_order_relaxed) >> (row & 63)) & 1;
  }

  // Rows with a mark or those without one. `chains`: a mark stands for its row and those behind it in the table's chain.
  column::Mask rows(bool with, const JoinTable* chains) const {
    column::Mask out(rows_, !with);
    const auto put = [&](int32_t row) { with ? out.set(row) : out.clear(row); };
    const int32_t* const next = chains ? chains->next() : nullptr;
    for (int64_t w = 0; w < (rows_ + 63) / 64; ++w) {
      for (uint64_t bits = words()[w]; bits; bits &= bits - 1) {
        const int32_t row = static_cast<int32_t>(w * 64 + std::countr_zero(bits));
        put(row);
        for (int32_t r = next ? next[row] : kNoRow; r >= 0; r = next[r]) put(r);
      }
    }
    return out;
  }

 private:
  BuildMarks(int64_t rows, std::shared_ptr<arrow::Buffer> bits) : rows_(rows), bits_(std::move(bits)) {}
  uint64_t* words() const { return reinterpret_cast<uint64_t*>(bits_->mutable_data()); }

  const int64_t rows_;
  const std::shared_ptr<arrow::Buffer> bits_;
};

}  // namespace gristmill::exec
