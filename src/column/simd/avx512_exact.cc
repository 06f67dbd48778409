// Exact sums with 512-bit vectors: eight values a step become 128-bit integers in a lane of low and one of high halves.

#if defined(__x86_64__)

#if defined(__GNUC__) && !defined(__clang__)
// GCC's own intrinsics pass an undefined register where every lane is written anyway.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "column/simd/exact_kernels.h"

namespace gristmill::column {
namespace {

typedef uint64_t Vec __attribute__((vector_size(64)));

inline Vec multiply_low(Vec a, Vec b) {
  return reinterpret_cast<Vec>(_mm512_mul_epu32(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
}

}  // namespace
}  // namespace gristmill::column

#include "column/simd/moment_rows.h"
#include "column/simd/round_units.h"

namespace gristmill::column {
namespace {

struct Units {
  __m512i low, high;
  __mmask8 outside;
};

// The values as two's complement units; rows outside the window and not live ones give zero, the former are marked.
inline Units units_of(__m512i bits, __mmask8 live, __m512i base) {
  const __m512i biased = _mm512_and_si512(_mm512_srli_epi64(bits, 52), _mm512_set1_epi64(0x7ff));
  const __m512i shift = _mm512_sub_epi64(biased, base);
  const __mmask8 inside = _mm512_mask_cmplt_epu64_mask(live, shift, _mm512_set1_epi64(64));
  const __mmask8 nonzero = _mm512_mask_test_epi64_mask(live, bits, _mm512_set1_epi64(0x7fffffffffffffffLL));
  // (bits & mantissa) | implicit bit
  const __m512i magnitude =
      _mm512_ternarylogic_epi64(bits, _mm512_set1_epi64(0xfffffffffffffLL), _mm512_set1_epi64(0x10000000000000LL), 0xea);
  const __mmask8 negative = _mm512_movepi64_mask(bits);
  __m512i m = _mm512_maskz_mov_epi64(inside, magnitude);
  m = _mm512_mask_sub_epi64(m, negative, _mm512_setzero_si512(), m);
  Units u;
  u.low = _mm512_sllv_epi64(m, shift);
  u.high = _mm512_srav_epi64(m, _mm512_sub_epi64(_mm512_set1_epi64(64), shift));  // a shift by 64 leaves the sign
  u.outside = static_cast<__mmask8>(nonzero & ~inside);
  return u;
}

inline __mmask8 live_rows(const uint64_t* valid, int i, int n) {
  const unsigned present = n - i >= 8 ? 0xffu : (1u << (n - i)) - 1;
  return static_cast<__mmask8>(valid == nullptr ? present : present & static_cast<unsigned>(valid[i >> 6] >> (i & 63)));
}

inline int append_rows(unsigned rows, int i, uint16_t* outside, int count) {
  for (; rows != 0; rows &= rows - 1) outside[count++] = static_cast<uint16_t>(i + __builtin_ctz(rows));
  return count;
}

int sum_block(const double* x, const uint64_t* valid, int n, int exponent, uint64_t* sum, uint16_t* outside) {
  const __m512i base = _mm512_set1_epi64(1075 + exponent);
  const __m512i minus_one = _mm512_set1_epi64(-1);
  __m512i low = _mm512_setzero_si512(), high = low;
  int count = 0;
  for (int i = 0; i < n; i += 8) {
    const __mmask8 live = live_rows(valid, i, n);
    const Units u = units_of(_mm512_maskz_loadu_epi64(live, x + i), live, base);
    low = _mm512_add_epi64(low, u.low);
    high = _mm512_add_epi64(high, u.high);
    high = _mm512_mask_sub_epi64(high, _mm512_cmplt_epu64_mask(low, u.low), high, minus_one);  // the carry
    if (__builtin_expect(u.outside != 0, 0)) count = append_rows(u.outside, i, outside, count);
  }
  alignas(64) uint64_t lows[8];
  alignas(64) uint64_t highs[8];
  _mm512_store_si512(lows, low);
  _mm512_store_si512(highs, high);
  unsigned __int128 total = 0;
  for (int k = 0; k < 8; ++k) total += static_cast<unsigned __int128>(highs[k]) << 64 | lows[k];
  sum[0] = static_cast<uint64_t>(total);
  sum[1] = static_cast<uint64_t>(total >> 64);
  return count;
}

// Rows [start, start + rows) of n into low[0 .. rows).
inline int prepare(const double* x, const uint64_t* valid, int start, int rows, int n, __m512i base, uint64_t* low, uint64_t* high,
                   uint16_t* outside, int count) {
  for (int j = 0; j < rows; j += 8) {
    const int i = start + j;
    const __mmask8 live = live_rows(valid, i, n);
    const Units u = units_of(_mm512_maskz_loadu_epi64(live, x + i), live, base);
    _mm512_storeu_si512(low + j, u.low);
    _mm512_storeu_si512(high + j, u.high);
    if (__builtin_expect(u.outside != 0, 0)) count = append_rows(u.outside, i, outside, count);
  }
  return count;
}

int units_block(const double* x, const uint64_t* valid, int n, int exponent, uint64_t* low, uint64_t* high, uint16_t* outside) {
  return prepare(x, valid, 0, n, n, _mm512_set1_epi64(1075 + exponent), low, high, outside, 0);
}

int group_block(uint64_t* states, const uint32_t* groups, const double* x, const uint64_t* valid, int n, int exponent, uint16_t* outside) {
  constexpr int kStep = 128;  // rows prepared at a time: 2 KiB of halves
  const __m512i base = _mm512_set1_epi64(1075 + exponent);
  __int128* const sums = reinterpret_cast<__int128*>(states);
  alignas(64) uint64_t lows[kStep];
  alignas(64) uint64_t highs[kStep];
  int count = 0;
  for (int start = 0; start < n; start += kStep) {
    const int rows = n - start < kStep ? n - start : kStep;
    count = prepare(x, valid, start, rows, n, base, lows, highs, outside, count);
    for (int j = 0; j < rows; ++j) {
      __int128* const state = sums + groups[start + j];
      const __int128 v = static_cast<__int128>(static_cast<unsigned __int128>(highs[j]) << 64 | lows[j]);
      __int128 added;
      if (__builtin_expect(__builtin_add_overflow(*state, v, &added), 0)) {
        outside[count++] = static_cast<uint16_t>(start + j);
      } else {
        *state = added;
      }
    }
  }
  return count;
}

void add_halves(__m512i low, __m512i high, uint64_t* sum) {
  alignas(64) uint64_t lows[8];
  alignas(64) int64_t highs[8];
  _mm512_store_si512(lows, low);
  _mm512_store_si512(highs, high);
  __int128 total = static_cast<__int128>(static_cast<unsigned __int128>(sum[1]) << 64 | sum[0]);
  for (int k = 0; k < 8; ++k) total += static_cast<__int128>(highs[k]) * (int64_t{1} << 32) + lows[k];
  sum[0] = static_cast<uint64_t>(total);
  sum[1] = static_cast<uint64_t>(total >> 64);
}

void sum_int64(const int64_t* x, int64_t n, uint64_t* sum) {
  __m512i low = _mm512_setzero_si512(), high = low;
  const __m512i half = _mm512_set1_epi64(0xffffffffLL);
  for (int64_t i = 0; i < n; i += 8) {
    const __mmask8 present = static_cast<__mmask8>(n - i >= 8 ? 0xff : (1u << (n - i)) - 1);
    const __m512i v = _mm512_maskz_loadu_epi64(present, x + i);
    low = _mm512_add_epi64(low, _mm512_and_si512(v, half));
    high = _mm512_add_epi64(high, _mm512_srai_epi64(v, 32));
  }
  add_halves(low, high, sum);
}

void sum_int32(const int32_t* x, int64_t n, uint64_t* sum) {
  __m512i total = _mm512_setzero_si512();
  for (int64_t i = 0; i < n; i += 8) {
    const __mmask8 present = static_cast<__mmask8>(n - i >= 8 ? 0xff : (1u << (n - i)) - 1);
    total = _mm512_add_epi64(total, _mm512_cvtepi32_epi64(_mm256_maskz_loadu_epi32(present, x + i)));
  }
  add_halves(_mm512_and_si512(total, _mm512_set1_epi64(0xffffffffLL)), _mm512_srai_epi64(total, 32), sum);
}

// As rounded_units(), eight at a time.
inline __m512i round_vector(__m512i low, __m512i high, __m512i exponent) {
  const __m512i zero = _mm512_setzero_si512(), width = _mm512_set1_epi64(64);
  const __mmask8 negative = _mm512_movepi64_mask(high);
  const __m512i borrow = _mm512_maskz_mov_epi64(_mm512_test_epi64_mask(low, low), _mm512_set1_epi64(1));
  high = _mm512_mask_sub_epi64(high, negative, _mm512_sub_epi64(zero, high), borrow);
  low = _mm512_mask_sub_epi64(low, negative, zero, low);
  const __mmask8 wide = _mm512_test_epi64_mask(high, high);
  const __m512i upper = _mm512_mask_mov_epi64(low, wide, high), lower = _mm512_maskz_mov_epi64(wide, low);
  const __m512i zeros = _mm512_lzcnt_epi64(upper);
  __m512i top = _mm512_or_si512(_mm512_sllv_epi64(upper, zeros), _mm512_srlv_epi64(lower, _mm512_sub_epi64(width, zeros)));
  const __m512i below = _mm512_sllv_epi64(lower, zeros);
  top = _mm512_mask_or_epi64(top, _mm512_test_epi64_mask(below, below), top, _mm512_set1_epi64(1));
  const __m512i rounded = _mm512_castpd_si512(_mm512_cvtepu64_pd(top));
  const __m512i scale = _mm512_sub_epi64(_mm512_mask_add_epi64(exponent, wide, exponent, width), zeros);
  const __m512i bits = _mm512_maskz_add_epi64(_mm512_test_epi64_mask(upper, upper), rounded, _mm512_slli_epi64(scale, 52));
  return _mm512_mask_or_epi64(bits, negative, bits, _mm512_set1_epi64(static_cast<int64_t>(0x8000000000000000ULL)));
}

void round_differences(const uint64_t* const* sums, int n, int exponent, double* out) {
  const __m512i scale = _mm512_set1_epi64(exponent);
  int i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m512i low = _mm512_loadu_si512(sums[0] + i), less = _mm512_loadu_si512(sums[2] + i);
    const __m512i difference = _mm512_sub_epi64(_mm512_loadu_si512(sums[1] + i), _mm512_loadu_si512(sums[3] + i));
    const __m512i high = _mm512_mask_sub_epi64(difference, _mm512_cmplt_epu64_mask(low, less), difference, _mm512_set1_epi64(1));
    _mm512_storeu_pd(out + i, _mm512_castsi512_pd(round_vector(_mm512_sub_epi64(low, less), high, scale)));
  }
  round_rows(sums, i, n, exponent, out);
}

}  // namespace

const ExactKernels kAvx512ExactKernels = {sum_block, units_block, group_block, moments_block<1>, moments_block<2>, sum_int64, sum_int32,
                                          round_differences};

}  // namespace gristmill::column

#endif
