// Exact sums with 256-bit vectors; see avx512_exact.cc, from which it differs by what AVX2 lacks: masks, unsigned
// compares and the variable arithmetic shift.

#if defined(__x86_64__)

#include <immintrin.h>

#include "column/simd/exact_kernels.h"

namespace gristmill::column {
namespace {

typedef uint64_t Vec __attribute__((vector_size(32)));

inline Vec multiply_low(Vec a, Vec b) {
  return reinterpret_cast<Vec>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
}

}  // namespace
}  // namespace gristmill::column

#include "column/simd/moment_rows.h"
#include "column/simd/round_units.h"

namespace gristmill::column {
namespace {

struct Units {
  __m256i low, high;
  unsigned outside;
};

// Four bits to four lanes of all ones.
inline __m256i lanes_of(unsigned rows) {
  const __m256i bit = _mm256_setr_epi64x(1, 2, 4, 8);
  return _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x(rows), bit), bit);
}

inline Units units_of(__m256i bits, __m256i base) {
  const __m256i zero = _mm256_setzero_si256();
  const __m256i biased = _mm256_and_si256(_mm256_srli_epi64(bits, 52), _mm256_set1_epi64x(0x7ff));
  const __m256i shift = _mm256_sub_epi64(biased, base);
  const __m256i beyond = _mm256_or_si256(_mm256_cmpgt_epi64(zero, shift), _mm256_cmpgt_epi64(shift, _mm256_set1_epi64x(63)));
  const __m256i is_zero = _mm256_cmpeq_epi64(_mm256_add_epi64(bits, bits), zero);
  __m256i m = _mm256_or_si256(_mm256_and_si256(bits, _mm256_set1_epi64x(0xfffffffffffffLL)), _mm256_set1_epi64x(0x10000000000000LL));
  m = _mm256_andnot_si256(beyond, m);
  const __m256i sign = _mm256_andnot_si256(beyond, _mm256_cmpgt_epi64(zero, bits));
  const __m256i left = _mm256_sub_epi64(_mm256_set1_epi64x(64), shift);
  // The high half of -m is the complement of that of m - 1, so flipping m - 1 after an unsigned shift shifts -m with its sign.
  const __m256i reduced = _mm256_add_epi64(m, sign);
  Units u;
  u.low = _mm256_sllv_epi64(_mm256_xor_si256(reduced, sign), shift);
  u.high = _mm256_xor_si256(_mm256_srlv_epi64(reduced, left), sign);
  u.outside = static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_andnot_si256(is_zero, beyond))));
  return u;
}

// Rows i .. i + 3; those absent or not valid read as zero.
inline __m256i load_rows(const double* x, const uint64_t* valid, int i, int n) {
  if (valid == nullptr && n - i >= 4) return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
  const unsigned present = n - i >= 4 ? 0xfu : (1u << (n - i)) - 1;
  const unsigned live = valid == nullptr ? present : present & static_cast<unsigned>(valid[i >> 6] >> (i & 63));
  return _mm256_maskload_epi64(reinterpret_cast<const long long*>(x + i), lanes_of(live));
}

inline int append_rows(unsigned rows, int i, uint16_t* outside, int count) {
  for (; rows != 0; rows &= rows - 1) outside[count++] = static_cast<uint16_t>(i + __builtin_ctz(rows));
  return count;
}

int sum_block(const double* x, const uint64_t* valid, int n, int exponent, uint64_t* sum, uint16_t* outside) {
  const __m256i base = _mm256_set1_epi64x(1075 + exponent);
  const __m256i top = _mm256_set1_epi64x(static_cast<int64_t>(0x8000000000000000ULL));
  __m256i low = _mm256_setzero_si256(), high = low;
  int count = 0;
  for (int i = 0; i < n; i += 4) {
    const Units u = units_of(load_rows(x, valid, i, n), base);
    low = _mm256_add_epi64(low, u.low);
    const __m256i carry = _mm256_cmpgt_epi64(_mm256_xor_si256(u.low, top), _mm256_xor_si256(low, top));
    high = _mm256_sub_epi64(_mm256_add_epi64(high, u.high), carry);
    if (__builtin_expect(u.outside != 0, 0)) count = append_rows(u.outside, i, outside, count);
  }
  alignas(32) uint64_t lows[4];
  alignas(32) uint64_t highs[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lows), low);
  _mm256_store_si256(reinterpret_cast<__m256i*>(highs), high);
  unsigned __int128 total = 0;
  for (int k = 0; k < 4; ++k) total += static_cast<unsigned __int128>(highs[k]) << 64 | lows[k];
  sum[0] = static_cast<uint64_t>(total);
  sum[1] = static_cast<uint64_t>(total >> 64);
  return count;
}

// Rows [start, start + rows) of n into low[0 .. rows).
inline int prepare(const double* x, const uint64_t* valid, int start, int rows, int n, __m256i base, uint64_t* low, uint64_t* high,
                   uint16_t* outside, int count) {
  for (int j = 0; j < rows; j += 4) {
    const Units u = units_of(load_rows(x, valid, start + j, n), base);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(low + j), u.low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(high + j), u.high);
    if (__builtin_expect(u.outside != 0, 0)) count = append_rows(u.outside, start + j, outside, count);
  }
  return count;
}

int units_block(const double* x, const uint64_t* valid, int n, int exponent, uint64_t* low, uint64_t* high, uint16_t* outside) {
  return prepare(x, valid, 0, n, n, _mm256_set1_epi64x(1075 + exponent), low, high, outside, 0);
}

int group_block(uint64_t* states, const uint32_t* groups, const double* x, const uint64_t* valid, int n, int exponent, uint16_t* outside) {
  constexpr int kStep = 128;  // rows prepared at a time: 2 KiB of halves
  const __m256i base = _mm256_set1_epi64x(1075 + exponent);
  __int128* const sums = reinterpret_cast<__int128*>(states);
  alignas(32) uint64_t lows[kStep];
  alignas(32) uint64_t highs[kStep];
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

// The two's complement high and low 32 bits of v added to the accumulators (v >> 32 with the sign from v's top).
inline void add_halves(__m256i v, __m256i* low, __m256i* high) {
  const __m256i half = _mm256_set1_epi64x(0xffffffffLL);
  *low = _mm256_add_epi64(*low, _mm256_and_si256(v, half));
  const __m256i sign = _mm256_cmpgt_epi64(_mm256_setzero_si256(), v);
  *high = _mm256_add_epi64(*high, _mm256_or_si256(_mm256_srli_epi64(v, 32), _mm256_andnot_si256(half, sign)));
}

void add_tail(__m256i low, __m256i high, __int128 total, uint64_t* sum) {
  alignas(32) uint64_t lows[4];
  alignas(32) int64_t highs[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lows), low);
  _mm256_store_si256(reinterpret_cast<__m256i*>(highs), high);
  total += static_cast<__int128>(static_cast<unsigned __int128>(sum[1]) << 64 | sum[0]);
  for (int k = 0; k < 4; ++k) total += static_cast<__int128>(highs[k]) * (int64_t{1} << 32) + lows[k];
  sum[0] = static_cast<uint64_t>(total);
  sum[1] = static_cast<uint64_t>(total >> 64);
}

void sum_int64(const int64_t* x, int64_t n, uint64_t* sum) {
  __m256i low = _mm256_setzero_si256(), high = low;
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) add_halves(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i)), &low, &high);
  __int128 rest = 0;
  for (; i < n; ++i) rest += x[i];
  add_tail(low, high, rest, sum);
}

void sum_int32(const int32_t* x, int64_t n, uint64_t* sum) {
  __m256i total = _mm256_setzero_si256(), low = total, high = total;
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    total = _mm256_add_epi64(total, _mm256_cvtepi32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i))));
  }
  __int128 rest = 0;
  for (; i < n; ++i) rest += x[i];
  add_halves(total, &low, &high);
  add_tail(low, high, rest, sum);
}

void round_differences(const uint64_t* const* sums, int n, int exponent, double* out) { round_rows(sums, 0, n, exponent, out); }

}  // namespace

const ExactKernels kAvx2ExactKernels = {sum_block, units_block, group_block, moments_block<1>, moments_block<2>, sum_int64, sum_int32,
                                        round_differences};

}  // namespace gristmill::column

#endif
