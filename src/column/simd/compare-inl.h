// Comparisons straight to mask words. Included by kernels-inl.h only.
//
// 64 rows at a time: a loop of comparisons writes 64 bytes of 0 or 1 (it vectorises for every type), then the
// bytes are packed to one word. With AVX-512 a comparison gives mask bits at once. The last, partial word goes row by row.

template <typename T>
inline constexpr bool kIsFloat = false;
template <>
inline constexpr bool kIsFloat<float> = true;
template <>
inline constexpr bool kIsFloat<double> = true;

// The total order: NaN is greatest and equal to itself. With `&`, `|`: no branches.
template <int kOp, typename T>
inline bool holds(T a, T b) {
  if constexpr (kIsFloat<T>) {
    const bool an = a != a, bn = b != b;
    if constexpr (kOp == kEq) return (a == b) | (an & bn);
    if constexpr (kOp == kNe) return !((a == b) | (an & bn));
    if constexpr (kOp == kLt) return (a < b) | (bn & !an);
    if constexpr (kOp == kGe) return !((a < b) | (bn & !an));
    if constexpr (kOp == kGt) return (b < a) | (an & !bn);
    if constexpr (kOp == kLe) return !((b < a) | (an & !bn));
  } else {
    if constexpr (kOp == kEq) return a == b;
    if constexpr (kOp == kNe) return a != b;
    if constexpr (kOp == kLt) return a < b;
    if constexpr (kOp == kGe) return a >= b;
    if constexpr (kOp == kGt) return a > b;
    if constexpr (kOp == kLe) return a <= b;
  }
}

// A float constant that is a number: comparisons with it are IEEE's, where each negated one is true of a NaN on the left.
template <int kOp, typename T>
inline bool holds_number(T a, T b) {
  if constexpr (kOp == kEq) return a == b;
  if constexpr (kOp == kNe) return !(a == b);
  if constexpr (kOp == kLt) return a < b;
  if constexpr (kOp == kLe) return a <= b;
  if constexpr (kOp == kGt) return !(a <= b);
  if constexpr (kOp == kGe) return !(a < b);
}

#if defined(GRISTMILL_AVX512)

template <int kOp>
inline constexpr int kIntegerPredicate = kOp == kEq   ? _MM_CMPINT_EQ
                                         : kOp == kNe ? _MM_CMPINT_NE
                                         : kOp == kLt ? _MM_CMPINT_LT
                                         : kOp == kLe ? _MM_CMPINT_LE
                                         : kOp == kGt ? _MM_CMPINT_NLE
                                                      : _MM_CMPINT_NLT;
template <int kOp>
inline constexpr int kFloatPredicate = kOp == kEq   ? _CMP_EQ_OQ
                                       : kOp == kNe ? _CMP_NEQ_UQ
                                       : kOp == kLt ? _CMP_LT_OQ
                                       : kOp == kLe ? _CMP_LE_OQ
                                       : kOp == kGt ? _CMP_NLE_UQ
                                                    : _CMP_NLT_UQ;

// Overloads by value type: one register against one, as mask bits.
template <int kOp>
inline uint64_t compare_register(__m512i a, __m512i b, int8_t) {
  return mask_bits(_mm512_cmp_epi8_mask(a, b, kIntegerPredicate<kOp>));
}
template <int kOp>
inline uint64_t compare_register(__m512i a, __m512i b, uint8_t) {
  return mask_bits(_mm512_cmp_epu8_mask(a, b, kIntegerPredicate<kOp>));
}
template <int kOp>
inline uint64_t compare_register(__m512i a, __m512i b, int16_t) {
  return mask_bits(_mm512_cmp_epi16_mask(a, b, kIntegerPredicate<kOp>));
}
template <int kOp>
inline uint64_t compare_register(__m512i a, __m512i b, uint16_t) {
  return mask_bits(_mm512_cmp_epu16_mask(a, b, kIntegerPredicate<kOp>));
}
template <int kOp>
inline uint64_t compare_register(__m512i a, __m512i b, int32_t) {
  return mask_bits(_mm512_cmp_epi32_mask(a, b, kIntegerPredicate<kOp>));
}
template <int kOp>
inline uint64_t compare_register(__m512i a, __m512i b, uint32_t) {
  return mask_bits(_mm512_cmp_epu32_mask(a, b, kIntegerPredicate<kOp>));
}
template <int kOp>
inline uint64_t compare_register(__m512i a, __m512i b, int64_t) {
  return mask_bits(_mm512_cmp_epi64_mask(a, b, kIntegerPredicate<kOp>));
}
template <int kOp>
inline uint64_t compare_register(__m512i a, __m512i b, uint64_t) {
  return mask_bits(_mm512_cmp_epu64_mask(a, b, kIntegerPredicate<kOp>));
}
// Against a number (kConst) the predicate alone; else a < b is IEEE's or "only b is NaN", a = b IEEE's or "both are".
template <int kOp>
inline uint64_t compare_register(__m512i a, __m512i b, float) {
  return mask_bits(_mm512_cmp_ps_mask(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), kFloatPredicate<kOp>));
}
template <int kOp>
inline uint64_t compare_register(__m512i a, __m512i b, double) {
  return mask_bits(_mm512_cmp_pd_mask(_mm512_castsi512_pd(a), _mm512_castsi512_pd(b), kFloatPredicate<kOp>));
}
inline uint64_t is_nan_register(__m512i a, float) {
  return mask_bits(_mm512_cmp_ps_mask(_mm512_castsi512_ps(a), _mm512_castsi512_ps(a), _CMP_UNORD_Q));
}
inline uint64_t is_nan_register(__m512i a, double) {
  return mask_bits(_mm512_cmp_pd_mask(_mm512_castsi512_pd(a), _mm512_castsi512_pd(a), _CMP_UNORD_Q));
}

template <int kOp, typename T>
inline uint64_t compare_ordered(__m512i a, __m512i b) {
  if constexpr (!kIsFloat<T>) {
    return compare_register<kOp>(a, b, T{});
  } else {
    const uint64_t an = is_nan_register(a, T{}), bn = is_nan_register(b, T{});
    constexpr uint64_t kAll = (uint64_t{1} << (64 / sizeof(T))) - 1;
    if constexpr (kOp == kEq) return compare_register<kEq>(a, b, T{}) | (an & bn);
    if constexpr (kOp == kNe) return kAll & ~(compare_register<kEq>(a, b, T{}) | (an & bn));
    if constexpr (kOp == kLt) return compare_register<kLt>(a, b, T{}) | (bn & ~an);
    if constexpr (kOp == kGe) return kAll & ~(compare_register<kLt>(a, b, T{}) | (bn & ~an));
    if constexpr (kOp == kGt) return compare_register<kLt>(b, a, T{}) | (an & ~bn);
    if constexpr (kOp == kLe) return kAll & ~(compare_register<kLt>(b, a, T{}) | (an & ~bn));
  }
}

template <typename T>
inline __m512i broadcast(T v) {
  if constexpr (sizeof(T) == 1) return _mm512_set1_epi8(static_cast<char>(v));
  if constexpr (sizeof(T) == 2) return _mm512_set1_epi16(static_cast<short>(v));
  if constexpr (sizeof(T) == 4) {
    int bits;
    __builtin_memcpy(&bits, &v, 4);
    return _mm512_set1_epi32(bits);
  }
  if constexpr (sizeof(T) == 8) {
    long long bits;
    __builtin_memcpy(&bits, &v, 8);
    return _mm512_set1_epi64(bits);
  }
}

// kNumber: `b` is a constant and not NaN.
template <int kOp, bool kConst, bool kNumber, typename T>
inline uint64_t compare_whole_block(const T* a, const T* b) {
  constexpr int kLanes = 64 / sizeof(T);
  const __m512i constant = kConst ? broadcast(b[0]) : __m512i{};
  uint64_t w = 0;
  for (int k = 0; k < 64 / kLanes; ++k) {
    const __m512i x = _mm512_loadu_si512(a + k * kLanes);
    const __m512i y = kConst ? constant : _mm512_loadu_si512(b + k * kLanes);
    w |= (kNumber ? compare_register<kOp>(x, y, T{}) : compare_ordered<kOp, T>(x, y)) << (k * kLanes);
  }
  return w;
}

#else

template <int kOp, bool kConst, bool kNumber, typename T>
inline uint64_t compare_whole_block(const T* a, const T* b) {
  alignas(64) uint8_t flags[64];
  for (int64_t j = 0; j < 64; ++j) {
    const T y = kConst ? b[0] : b[j];
    flags[j] = kNumber ? holds_number<kOp>(a[j], y) : holds<kOp>(a[j], y);
  }
  return pack_flags(flags);
}

#endif

template <int kOp, bool kConst, bool kNumber, typename T>
inline void compare_blocks(const T* x, const T* y, int64_t n, uint64_t* out) {
  int64_t at = 0;
  for (; at + 64 <= n; at += 64) *out++ = compare_whole_block<kOp, kConst, kNumber>(x + at, kConst ? y : y + at);
  if (at == n) return;
  uint64_t w = 0;
  for (int64_t j = 0; at + j < n; ++j) w |= static_cast<uint64_t>(holds<kOp>(x[at + j], kConst ? y[0] : y[at + j])) << j;
  *out = w;
}

template <int kOp, bool kConst, typename T>
void compare_values(const void* a, const void* b, int64_t n, uint64_t* out) {
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  if constexpr (kConst && kIsFloat<T>) {
    if (n > 0 && y[0] == y[0]) return compare_blocks<kOp, true, true>(x, y, n, out);
  }
  compare_blocks<kOp, kConst, false>(x, y, n, out);
}

#if defined(GRISTMILL_AVX512)
// High words signed, low words unsigned: a < b when high(a) < high(b), or they are equal and low(a) < low(b).
template <int kOp, bool kConst>
inline uint64_t compare_int128_block(const uint8_t* x, const uint8_t* y) {
  const EightPairs constant = EightPairs::repeat(y);
  uint64_t w = 0;
  for (int k = 0; k < 8; ++k) {
    const EightPairs a = EightPairs::load(x + 128 * k), b = kConst ? constant : EightPairs::load(y + 128 * k);
    const __mmask8 same = _mm512_cmpeq_epi64_mask(a.second, b.second);
    __mmask8 m;
    if constexpr (kOp == kEq || kOp == kNe) {
      m = _mm512_mask_cmpeq_epi64_mask(same, a.first, b.first);
    } else if constexpr (kOp == kLt || kOp == kGe) {
      m = _mm512_cmplt_epi64_mask(a.second, b.second) | _mm512_mask_cmplt_epu64_mask(same, a.first, b.first);
    } else {
      m = _mm512_cmpgt_epi64_mask(a.second, b.second) | _mm512_mask_cmpgt_epu64_mask(same, a.first, b.first);
    }
    w |= mask_bits(m) << (8 * k);
  }
  return kOp == kNe || kOp == kGe || kOp == kLe ? ~w : w;
}
#endif

template <int kOp, bool kConst>
void compare_int128(const void* a, const void* b, int64_t n, uint64_t* out) {
  const Wide* x = static_cast<const Wide*>(a);
  const Wide* y = static_cast<const Wide*>(b);
  const __int128 constant = kConst && n > 0 ? int128_of(y[0]) : 0;
  int64_t at = 0;
#if defined(GRISTMILL_AVX512)
  for (; at + 64 <= n; at += 64) *out++ = compare_int128_block<kOp, kConst>(x[at].bytes, kConst ? y[0].bytes : y[at].bytes);
#endif
  for (; at < n; at += 64) {
    const int64_t here = n - at < 64 ? n - at : 64;
    alignas(64) uint8_t flags[64] = {};
    for (int64_t j = 0; j < here; ++j) flags[j] = holds<kOp>(int128_of(x[at + j]), kConst ? constant : int128_of(y[at + j]));
    *out++ = pack_flags(flags);
  }
}
