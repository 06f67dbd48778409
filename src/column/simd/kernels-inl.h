// All kernels of one SIMD level. The including file has defined GRISTMILL_AVX2, both that and GRISTMILL_AVX512, or neither;
// whatever is defined here has internal linkage, so each level keeps its own copy.

#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(GRISTMILL_AVX2)
#include <immintrin.h>
#endif

#include "column/bits.h"
#include "column/simd/hash_mix.h"
#include "column/simd/kernel_table.h"

namespace gristmill::column::simd {
namespace {

struct Wide {  // 16 bytes without an alignment
  uint8_t bytes[16];
};

// 64-bit words wherever they lie.
typedef uint64_t Word __attribute__((aligned(1), may_alias));

inline __int128 int128_of(const Wide& w) {
  __int128 v;
  __builtin_memcpy(&v, &w, 16);
  return v;
}

#if defined(GRISTMILL_AVX512)
// A mask register as a number. g++ 12 may widen a narrow mask by storing 32 bits of a spilled register and loading 64 (seen in the
// build for the thread sanitizer); from a general register it widens right.
template <typename M>
inline uint64_t mask_bits(M mask) {
  if constexpr (sizeof(M) == 8) return mask;
  unsigned low = static_cast<unsigned>(mask);
  asm("" : "+r"(low));
  return low;
}
#endif

#if defined(GRISTMILL_AVX2)
// lanes[m]: one byte each for the positions of m's set bits, ascending. pairs[m]: the same for 4 lanes made of two 32-bit halves.
struct PackedPositions {
  uint64_t lanes[256];
  uint64_t pairs[16];
};
constexpr PackedPositions make_positions() {
  PackedPositions t{};
  for (int m = 0; m < 256; ++m) {
    int at = 0;
    for (int bit = 0; bit < 8; ++bit) {
      if (m >> bit & 1) t.lanes[m] |= static_cast<uint64_t>(bit) << (8 * at++);
    }
  }
  for (int m = 0; m < 16; ++m) {
    int at = 0;
    for (int bit = 0; bit < 4; ++bit) {
      if (!(m >> bit & 1)) continue;
      t.pairs[m] |= static_cast<uint64_t>(2 * bit) << (8 * at++);
      t.pairs[m] |= static_cast<uint64_t>(2 * bit + 1) << (8 * at++);
    }
  }
  return t;
}
constexpr PackedPositions kPacked = make_positions();
#endif

// clang-format off
#include "column/simd/mask-inl.h"
#include "column/simd/filter-inl.h"
#include "column/simd/take-inl.h"
#include "column/simd/pair-inl.h"
#include "column/simd/compare-inl.h"
#include "column/simd/view-inl.h"
#include "column/simd/hash-inl.h"
#include "column/simd/arithmetic-inl.h"
#include "column/simd/prefix-inl.h"
#include "column/simd/text-inl.h"
// clang-format on

template <typename T>
constexpr void set_take(KernelTable& t, int width) {
  t.take[width][kIndex16] = take_values<T, uint16_t>;
  t.take[width][kIndex32] = take_values<T, int32_t>;
  t.take[width][kIndex64] = take_values<T, int64_t>;
}

template <typename T, int kOp>
constexpr void set_arithmetic(KernelTable& t, int lane) {
  t.arithmetic[lane][kOp][kColumnColumn] = calculate<kOp, kColumnColumn, T>;
  t.arithmetic[lane][kOp][kColumnConst] = calculate<kOp, kColumnConst, T>;
  t.arithmetic[lane][kOp][kConstColumn] = calculate<kOp, kConstColumn, T>;
}

template <typename T, int kOp>
constexpr void set_compare(KernelTable& t, int lane) {
  t.compare_columns[lane][kOp] = compare_values<kOp, false, T>;
  t.compare_const[lane][kOp] = compare_values<kOp, true, T>;
}

template <typename T>
constexpr void set_lane(KernelTable& t, int lane) {
  set_compare<T, kEq>(t, lane);
  set_compare<T, kNe>(t, lane);
  set_compare<T, kLt>(t, lane);
  set_compare<T, kLe>(t, lane);
  set_compare<T, kGt>(t, lane);
  set_compare<T, kGe>(t, lane);
  set_arithmetic<T, kAdd>(t, lane);
  set_arithmetic<T, kSubtract>(t, lane);
  set_arithmetic<T, kMultiply>(t, lane);
  set_arithmetic<T, kDivide>(t, lane);
  t.hash[lane] = hash_values<T>;
  t.min_max[lane] = min_max<T, T>;
}

template <int kOp>
constexpr void set_op_of_wide_and_views(KernelTable& t) {
  t.compare_columns[kI128][kOp] = compare_int128<kOp, false>;
  t.compare_const[kI128][kOp] = compare_int128<kOp, true>;
  t.compare_views[kOp] = compare_views<kOp, false>;
  t.compare_views_const[kOp] = compare_views<kOp, true>;
}

template <int kOp>
constexpr void set_wide_arithmetic(KernelTable& t) {
  t.arithmetic[kI128][kOp][kColumnColumn] = calculate_int128<kOp, kColumnColumn>;
  t.arithmetic[kI128][kOp][kColumnConst] = calculate_int128<kOp, kColumnConst>;
  t.arithmetic[kI128][kOp][kConstColumn] = calculate_int128<kOp, kConstColumn>;
}

constexpr void set_sort_prefixes(KernelTable& t) {
  t.sort_prefixes[kI8] = sort_prefixes<uint8_t, false, true>;
  t.sort_prefixes[kI16] = sort_prefixes<uint16_t, false, true>;
  t.sort_prefixes[kI32] = sort_prefixes<uint32_t, false, true>;
  t.sort_prefixes[kI64] = sort_prefixes<uint64_t, false, true>;
  t.sort_prefixes[kU8] = sort_prefixes<uint8_t, false, false>;
  t.sort_prefixes[kU16] = sort_prefixes<uint16_t, false, false>;
  t.sort_prefixes[kU32] = sort_prefixes<uint32_t, false, false>;
  t.sort_prefixes[kU64] = sort_prefixes<uint64_t, false, false>;
  t.sort_prefixes[kF32] = sort_prefixes<uint32_t, true, true>;
  t.sort_prefixes[kF64] = sort_prefixes<uint64_t, true, true>;
  t.sort_prefixes[kI128] = sort_prefixes_int128;
}

constexpr KernelTable make_table() {
  KernelTable t{};
  t.count_bits = count_bits;
  t.text_borders = text_borders;
  t.text_fields = text_fields;
  set_sort_prefixes(t);
  t.and_words = and_words;
  t.or_words = or_words;
  t.and_not_words = and_not_words;
  t.not_words = not_words;
  t.bits_to_words = bits_to_words;
  t.mask_to_indices = mask_to_indices;
  t.filter[0] = filter_values<uint8_t>;
  t.filter[1] = filter_values<uint16_t>;
  t.filter[2] = filter_values<uint32_t>;
  t.filter[3] = filter_values<uint64_t>;
  t.filter[4] = filter_values<Wide>;
  t.filter_bits = filter_bits;
  set_take<uint8_t>(t, 0);
  set_take<uint16_t>(t, 1);
  set_take<uint32_t>(t, 2);
  set_take<uint64_t>(t, 3);
  set_take<Wide>(t, 4);
  t.take_bits[kIndex16] = take_bits<uint16_t>;
  t.take_bits[kIndex32] = take_bits<int32_t>;
  t.take_bits[kIndex64] = take_bits<int64_t>;
  set_lane<int8_t>(t, kI8);
  set_lane<int16_t>(t, kI16);
  set_lane<int32_t>(t, kI32);
  set_lane<int64_t>(t, kI64);
  set_lane<uint8_t>(t, kU8);
  set_lane<uint16_t>(t, kU16);
  set_lane<uint32_t>(t, kU32);
  set_lane<uint64_t>(t, kU64);
  set_lane<float>(t, kF32);
  set_lane<double>(t, kF64);
  set_op_of_wide_and_views<kEq>(t);
  set_op_of_wide_and_views<kNe>(t);
  set_op_of_wide_and_views<kLt>(t);
  set_op_of_wide_and_views<kLe>(t);
  set_op_of_wide_and_views<kGt>(t);
  set_op_of_wide_and_views<kGe>(t);
  set_wide_arithmetic<kAdd>(t);
  set_wide_arithmetic<kSubtract>(t);
  set_wide_arithmetic<kMultiply>(t);
  set_wide_arithmetic<kDivide>(t);
  t.hash[kI128] = hash_int128;
  t.views_are_padded = views_are_padded;
  t.hash_views = hash_views;
  t.combine_hashes = combine_hashes;
  t.min_max[kI128] = min_max<Wide, __int128>;
  return t;
}

}  // namespace
}  // namespace gristmill::column::simd
