// Exact sums without vector instructions; see exact_kernels.h.

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <string.h>

#include "column/simd/exact_kernels.h"

namespace gristmill::column {
namespace {

typedef uint64_t Vec __attribute__((vector_size(16)));

inline Vec multiply_low(Vec a, Vec b) {
#if defined(__SSE2__)
  return reinterpret_cast<Vec>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return (a & 0xffffffff) * (b & 0xffffffff);
#endif
}

}  // namespace
}  // namespace gristmill::column

#include "column/simd/moment_rows.h"
#include "column/simd/round_units.h"

namespace gristmill::column {
namespace {

constexpr uint64_t kMantissa = 0xfffffffffffffULL, kImplicit = 0x10000000000000ULL, kMagnitude = 0x7fffffffffffffffULL;
constexpr int kBias = 1075;

uint64_t is_valid(const uint64_t* valid, int i) { return valid == nullptr ? 1 : valid[i >> 6] >> (i & 63) & 1; }

// The units of x; none for a zero, a row that is not live (0 or 1), and one outside the window, which alone returns true.
// Without branches on the data, for zeros and nulls may come in any pattern.
inline bool units_of(double x, uint64_t live, int exponent, __int128* units) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint64_t shift = (bits >> 52 & 0x7ff) - static_cast<uint64_t>(int64_t{kBias} + exponent);
  const uint64_t inside = live & static_cast<uint64_t>(shift < 64);
  const int64_t sign = static_cast<int64_t>(bits) >> 63;
  const int64_t m = ((static_cast<int64_t>((bits & kMantissa) | kImplicit) ^ sign) - sign) & -static_cast<int64_t>(inside);
  const uint64_t high = static_cast<uint64_t>((m >> 1) >> (~shift & 63));
  *units = static_cast<__int128>(static_cast<unsigned __int128>(high) << 64 | static_cast<uint64_t>(m) << (shift & 63));
  return (live & ~inside & static_cast<uint64_t>((bits & kMagnitude) != 0)) != 0;
}

int sum_block(const double* x, const uint64_t* valid, int n, int exponent, uint64_t* sum, uint16_t* outside) {
  __int128 total = 0, units;
  int count = 0;
  for (int i = 0; i < n; ++i) {
    if (__builtin_expect(units_of(x[i], is_valid(valid, i), exponent, &units), 0)) outside[count++] = static_cast<uint16_t>(i);
    total += units;
  }
  sum[0] = static_cast<uint64_t>(total);
  sum[1] = static_cast<uint64_t>(total >> 64);
  return count;
}

int units_block(const double* x, const uint64_t* valid, int n, int exponent, uint64_t* low, uint64_t* high, uint16_t* outside) {
  __int128 units;
  int count = 0;
  for (int i = 0; i < n; ++i) {
    if (__builtin_expect(units_of(x[i], is_valid(valid, i), exponent, &units), 0)) outside[count++] = static_cast<uint16_t>(i);
    low[i] = static_cast<uint64_t>(units);
    high[i] = static_cast<uint64_t>(units >> 64);
  }
  return count;
}

int group_block(uint64_t* states, const uint32_t* groups, const double* x, const uint64_t* valid, int n, int exponent, uint16_t* outside) {
  __int128* const sums = reinterpret_cast<__int128*>(states);
  __int128 units, sum;
  int count = 0;
  for (int i = 0; i < n; ++i) {
    __int128* const state = sums + groups[i];
    bool apart = units_of(x[i], is_valid(valid, i), exponent, &units);
    apart |= __builtin_add_overflow(*state, units, &sum);
    if (__builtin_expect(apart, 0)) {
      outside[count++] = static_cast<uint16_t>(i);
    } else {
      *state = sum;
    }
  }
  return count;
}

// High and low halves summed apart never overflow 64 bits and need no carries.
template <class Int>
void sum_integers(const Int* x, int64_t n, uint64_t* sum) {
  uint64_t low = 0;
  int64_t high = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t v = x[i];
    low += static_cast<uint64_t>(v) & 0xffffffff;
    high += v >> 32;
  }
  __int128 total = static_cast<__int128>(static_cast<unsigned __int128>(sum[1]) << 64 | sum[0]);
  total += static_cast<__int128>(high) * (int64_t{1} << 32) + low;
  sum[0] = static_cast<uint64_t>(total);
  sum[1] = static_cast<uint64_t>(total >> 64);
}

void sum_int64(const int64_t* x, int64_t n, uint64_t* sum) { sum_integers(x, n, sum); }
void sum_int32(const int32_t* x, int64_t n, uint64_t* sum) { sum_integers(x, n, sum); }

void round_differences(const uint64_t* const* sums, int n, int exponent, double* out) { round_rows(sums, 0, n, exponent, out); }

}  // namespace

const ExactKernels kPortableExactKernels = {sum_block, units_block, group_block, moments_block<1>, moments_block<2>, sum_int64, sum_int32,
                                            round_differences};

}  // namespace gristmill::column
