// Loops compiled once per SIMD level from one lambda.
//
// at_best_level(loop) inlines `loop` into functions compiled for AVX-512, AVX2 and the baseline and calls the one that
// base/cpu.h has chosen. No level enables fused multiply-add, so every level gives the same bits. Loops must be plain:
// what they call and the compiler does not inline runs at the baseline.
//
// Each level runs a copy of its own: a store of an int64 may change the number of rows or the constant in a lambda that lies elsewhere,
// so the compiler would read them anew for each row and not vectorise (1M remainders by a constant: 1.9 ms, with the copy 1.1).
#pragma once

#include "base/cpu.h"

#define GRISTMILL_INLINE __attribute__((always_inline))

namespace gristmill::expr {

template <typename Loop>
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,prefer-vector-width=512"))) inline void run_avx512(const Loop& given) {
  const Loop loop = given;
  loop();
}
template <typename Loop>
__attribute__((target("avx2"))) inline void run_avx2(const Loop& given) {
  const Loop loop = given;
  loop();
}

template <typename Loop>
inline void at_best_level(const Loop& loop) {
  switch (base::active_simd_level()) {
    case base::SimdLevel::kAvx512: return run_avx512(loop);
    case base::SimdLevel::kAvx2: return run_avx2(loop);
    case base::SimdLevel::kBaseline: return loop();
  }
}

}  // namespace gristmill::expr
