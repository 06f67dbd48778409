// Seeded columns of one batch, and registration of a kernel at every SIMD level of this machine.
//
// Times are quoted per row: every benchmark reports items_per_second over the batch's physical rows.
#pragma once

#include <arrow/type_fwd.h>
#include <benchmark/benchmark.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "column/column.h"
#include "column/selection.h"

namespace gristmill::bench {

inline constexpr int64_t kRows = column::kDefaultBatchRows;

class Random {  // splitmix64
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t bits();
  int64_t below(int64_t n) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(n)); }
  double unit() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

 private:
  uint64_t state_;
};

column::Column int64_column(int64_t distinct, uint64_t seed = 1);
column::Column double_column(uint64_t seed = 2);            // 0 .. 1000
column::Column text_column(int length, uint64_t seed = 3);  // string views; more than 12 bytes lie outside
column::Mask mask_of(int percent, uint64_t seed = 4);

// Registers "name/level" once a level; `body` runs with that level forced.
void at_every_level(const std::string& name, std::function<void(benchmark::State&)> body);

// For `static const bool` initialisers: runs `add` before main.
inline bool registered(const std::function<void()>& add) {
  add();
  return true;
}

}  // namespace gristmill::bench
