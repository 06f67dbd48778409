// Running sums of a stretch of doubles: exact, so the sum of any rows that stand together is a difference of two, rounded once.
#pragma once

#include <cstdint>
#include <memory>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/exact_sum.h"

namespace gristmill::column {

class RunningSums {
 public:
  static constexpr int kBlock = 512;  // most rows of round()

  // Of `before` and x[0, n); rows that are not valid (null: all are) add nothing. False: some value is NaN, infinite or far from the
  // others, or a sum might not fit; nothing may be asked then.
  arrow::Result<bool> make(const double* x, const uint8_t* validity, int64_t validity_offset, int64_t n, const ExactUnit& unit,
                           ExactSum before, arrow::MemoryPool* pool);

  // out[i] = the sum of rows [low + i, high + i), n <= kBlock of them.
  void round(int64_t low, int64_t high, int n, double* out) const;
  // out[i] = `before` and rows [0, high + i).
  void round_from_start(int64_t high, int n, double* out) const;
  // out[i] = rows [low[i], high[i]); low[i] < 0: `before` and rows [0, high[i]).
  void round_each(const int64_t* low, const int64_t* high, int n, double* out) const;

 private:
  const uint64_t* lows() const { return reinterpret_cast<const uint64_t*>(low_->data()); }
  const uint64_t* highs() const { return reinterpret_cast<const uint64_t*>(high_->data()); }

  std::shared_ptr<arrow::Buffer> low_, high_;  // halves: place k has `before` and rows [0, k)
  int exponent_ = 0;
};

}  // namespace gristmill::column
