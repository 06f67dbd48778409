// Comparisons straight to mask words. Included by kernels-inl.h only.
//
// 64 rows at a time: a loop of comparisons writes 64 bytes of 0 or 1 (it vectorises for every type), then the
// bytes are packed to one word. With AVX-512 a comparison gives mask bits at once.

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

// 64 bytes of 0 or 1 -> one word.
inline uint64_t pack_flags(const uint8_t* flags) {
#if defined(GRISTMILL_AVX512)
  return _mm512_test_epi8_mask(_mm512_loadu_si512(flags), _mm512_set1_epi8(1));
#elif defined(GRISTMILL_AVX2)
  const __m256i low = _mm256_slli_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(flags)), 7);
  const __m256i high = _mm256_slli_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(flags + 32)), 7);
  return static_cast<uint32_t>(_mm256_movemask_epi8(low)) | static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(high))) << 32;
#else
  // The product moves byte k's lowest bit to bit 56 + k; no two terms meet in one bit, so nothing carries.
  uint64_t out = 0;
  for (int k = 0; k < 8; ++k) out |= ((load64(flags + 8 * k) * 0x0102040810204080ULL) >> 56) << (8 * k);
  return out;
#endif
}

template <int kOp, bool kConst, typename T>
inline uint64_t compare_block(const T* a, const T* b, int64_t rows) {
  alignas(64) uint8_t flags[64];
  if (rows == 64) {
    for (int64_t j = 0; j < 64; ++j) flags[j] = holds<kOp>(a[j], kConst ? b[0] : b[j]);
  } else {
    __builtin_memset(flags, 0, 64);
    for (int64_t j = 0; j < rows; ++j) flags[j] = holds<kOp>(a[j], kConst ? b[0] : b[j]);
  }
  return pack_flags(flags);
}

template <int kOp, bool kConst, typename T>
void compare_values(const void* a, const void* b, int64_t n, uint64_t* out) {
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  for (int64_t at = 0, i = 0; at < n; at += 64, ++i) {
    out[i] = compare_block<kOp, kConst>(x + at, kConst ? y : y + at, n - at < 64 ? n - at : 64);
  }
}

// 16-byte integers through loads that need no alignment.
template <int kOp, bool kConst>
void compare_int128(const void* a, const void* b, int64_t n, uint64_t* out) {
  const Wide* x = static_cast<const Wide*>(a);
  const Wide* y = static_cast<const Wide*>(b);
  for (int64_t at = 0, i = 0; at < n; at += 64, ++i) {
    const int64_t here = n - at < 64 ? n - at : 64;
    uint64_t w = 0;
    for (int64_t j = 0; j < here; ++j) {
      w |= static_cast<uint64_t>(holds<kOp>(int128_of(x[at + j]), int128_of(kConst ? y[0] : y[at + j]))) << j;
    }
    out[i] = w;
  }
}

struct View {
  uint64_t w0;  // length, first four bytes
  uint64_t w1;  // inline: the other eight; else buffer index and offset
  uint32_t size() const { return static_cast<uint32_t>(w0); }
};

inline View view_of(const void* views, int64_t i) {
  View v;
  __builtin_memcpy(&v, static_cast<const char*>(views) + 16 * i, 16);
  return v;
}

inline const uint8_t* text_of(const void* views, const uint8_t* const* buffers, const View& v, int64_t i) {
  if (v.size() <= 12) return static_cast<const uint8_t*>(views) + 16 * i + 4;
  return buffers[static_cast<uint32_t>(v.w1)] + static_cast<uint32_t>(v.w1 >> 32);
}

// Equal lengths and prefixes are known.
inline bool rest_equal(const void* a, const uint8_t* const* ab, const View& x, int64_t i, const void* b, const uint8_t* const* bb, const View& y,
                       int64_t j) {
  if (x.size() <= 12) return x.w1 == y.w1;
  return __builtin_memcmp(text_of(a, ab, x, i) + 4, text_of(b, bb, y, j) + 4, x.size() - 4) == 0;
}

// Order by bytes: the prefixes as big-endian numbers decide most.
inline int order_views(const void* a, const uint8_t* const* ab, const View& x, int64_t i, const void* b, const uint8_t* const* bb, const View& y,
                       int64_t j) {
  const uint32_t p = __builtin_bswap32(static_cast<uint32_t>(x.w0 >> 32));
  const uint32_t q = __builtin_bswap32(static_cast<uint32_t>(y.w0 >> 32));
  if (p != q) return p < q ? -1 : 1;  // a shorter text is padded with zeros: smaller, or equal and decided below
  const uint32_t common = x.size() < y.size() ? x.size() : y.size();
  const int c = __builtin_memcmp(text_of(a, ab, x, i), text_of(b, bb, y, j), common);
  if (c) return c;
  return x.size() < y.size() ? -1 : x.size() > y.size();
}

template <int kOp, bool kConst>
void compare_views(const void* a, const uint8_t* const* ab, const void* b, const uint8_t* const* bb, int64_t n, uint64_t* out) {
  View y = kConst && n > 0 ? view_of(b, 0) : View{};
  for (int64_t at = 0, k = 0; at < n; at += 64, ++k) {
    const int64_t here = n - at < 64 ? n - at : 64;
    uint64_t w = 0;
    for (int64_t j = 0; j < here; ++j) {
      const int64_t i = at + j;
      const View x = view_of(a, i);
      if constexpr (!kConst) y = view_of(b, i);
      bool r;
      if constexpr (kOp == kEq || kOp == kNe) {
        r = x.w0 == y.w0 && rest_equal(a, ab, x, i, b, bb, y, kConst ? 0 : i);
        if constexpr (kOp == kNe) r = !r;
      } else {
        const int c = order_views(a, ab, x, i, b, bb, y, kConst ? 0 : i);
        r = kOp == kLt ? c < 0 : kOp == kLe ? c <= 0 : kOp == kGt ? c > 0 : c >= 0;
      }
      w |= static_cast<uint64_t>(r) << j;
    }
    out[k] = w;
  }
}
