// Texts compared straight to mask words. Included by kernels-inl.h only.
//
// A view's first eight bytes are its length and first four bytes, so one comparison of words decides most (in)equalities; an
// inline view is decided by its second word. Only rows that agree so far and are not inline look at their bytes.

// Order by bytes: the prefixes as big-endian numbers decide most.
inline int order_views(const void* a, const uint8_t* const* ab, const View& x, int64_t i, const void* b, const uint8_t* const* bb,
                       const View& y, int64_t j) {
  const uint32_t p = __builtin_bswap32(static_cast<uint32_t>(x.w0 >> 32));
  const uint32_t q = __builtin_bswap32(static_cast<uint32_t>(y.w0 >> 32));
  if (p != q) return p < q ? -1 : 1;  // a shorter text is padded with zeros: smaller, or equal and decided below
  const uint32_t common = x.size() < y.size() ? x.size() : y.size();
  const int c = __builtin_memcmp(text_of(a, ab, x, i), text_of(b, bb, y, j), common);
  if (c) return c;
  return x.size() < y.size() ? -1 : x.size() > y.size();
}

#if defined(GRISTMILL_AVX512)

// What 8 views tell without looking at their bytes: as numbers, the first four bytes, the other eight, the length.
struct EightViews {
  __m512i w0, w1;
  explicit EightViews(const EightPairs& p) : w0(p.first), w1(p.second) {}
  __mmask8 is_long() const { return _mm512_cmpgt_epu64_mask(size(), _mm512_set1_epi64(12)); }
  __m512i size() const { return _mm512_and_si512(w0, _mm512_set1_epi64(0xffffffff)); }
  __m512i head() const {  // bytes 4..7 as a big-endian number
    return _mm512_shuffle_epi8(w0, _mm512_set4_epi32(static_cast<int>(0x80808080), 0x0c0d0e0f, static_cast<int>(0x80808080), 0x04050607));
  }
  __m512i tail() const { return _mm512_shuffle_epi8(w1, _mm512_set4_epi32(0x08090a0b, 0x0c0d0e0f, 0x00010203, 0x04050607)); }
};

// Rows that are equal as far as the views tell; `open`: those of them that must look at their bytes.
template <bool kConst>
inline uint64_t equal_views_block(const uint8_t* x, const uint8_t* y, uint64_t* open) {
  const EightViews constant(EightPairs::repeat(y));
  uint64_t w = 0, undecided = 0;
  for (int k = 0; k < 8; ++k) {
    const EightViews a(EightPairs::load(x + 128 * k));
    const EightViews b = kConst ? constant : EightViews(EightPairs::load(y + 128 * k));
    const __mmask8 first = _mm512_cmpeq_epi64_mask(a.w0, b.w0), longer = first & a.is_long();
    const __mmask8 both = _mm512_mask_cmpeq_epi64_mask(first, a.w1, b.w1);
    w |= mask_bits(both | longer) << (8 * k);
    undecided |= mask_bits(longer) << (8 * k);
  }
  *open = undecided;
  return w;
}

// a < b (or <=) as far as the views tell; padding is zero, so equal words mean equal bytes up to the shorter end.
template <bool kConst>
inline uint64_t less_views_block(const uint8_t* x, const uint8_t* y, bool or_equal, uint64_t* open) {
  const EightViews constant(EightPairs::repeat(y));
  uint64_t w = 0, undecided = 0;
  for (int k = 0; k < 8; ++k) {
    const EightViews a(EightPairs::load(x + 128 * k));
    const EightViews b = kConst ? constant : EightViews(EightPairs::load(y + 128 * k));
    const __mmask8 same_head = _mm512_cmpeq_epi64_mask(a.head(), b.head());
    const __mmask8 same_tail = _mm512_mask_cmpeq_epi64_mask(same_head, a.tail(), b.tail());
    const __mmask8 shorter = or_equal ? _mm512_mask_cmple_epu64_mask(same_tail, a.size(), b.size())
                                      : _mm512_mask_cmplt_epu64_mask(same_tail, a.size(), b.size());
    const __mmask8 less =
        _mm512_cmplt_epu64_mask(a.head(), b.head()) | _mm512_mask_cmplt_epu64_mask(same_head, a.tail(), b.tail()) | shorter;
    w |= mask_bits(less) << (8 * k);
    undecided |= mask_bits(same_head & (a.is_long() | b.is_long())) << (8 * k);
  }
  *open = undecided;
  return w;
}

#endif

// The same for up to 64 rows without vectors.
template <bool kConst>
inline uint64_t equal_views_rows(const void* a, const void* b, int64_t at, int64_t here, uint64_t* open) {
  const Word* x = static_cast<const Word*>(a) + 2 * at;
  const Word* y = static_cast<const Word*>(b) + (kConst ? 0 : 2 * at);
  if constexpr (kConst) {
    const uint64_t y0 = y[0], y1 = y[1];
    const bool inline_constant = static_cast<uint32_t>(y0) <= 12;
    uint64_t w = 0;
    for (int64_t j = 0; j < here; ++j) {
      if (x[2 * j] == y0) w |= static_cast<uint64_t>((x[2 * j + 1] == y1) | !inline_constant) << j;
    }
    *open = inline_constant ? 0 : w;
    return w;
  }
  alignas(64) uint8_t flags[64] = {}, longer[64] = {};
  for (int64_t j = 0; j < here; ++j) {
    longer[j] = (x[2 * j] == y[2 * j]) & (static_cast<uint32_t>(x[2 * j]) > 12);
    flags[j] = ((x[2 * j] == y[2 * j]) & (x[2 * j + 1] == y[2 * j + 1])) | longer[j];
  }
  *open = pack_flags(longer);
  return pack_flags(flags);
}

template <bool kConst>
inline uint64_t less_views_rows(const void* a, const void* b, int64_t at, int64_t here, bool or_equal, uint64_t* open) {
  alignas(64) uint8_t flags[64] = {}, undecided[64] = {};
  View y = view_of(b, 0);
  for (int64_t j = 0; j < here; ++j) {
    const View x = view_of(a, at + j);
    if constexpr (!kConst) y = view_of(b, at + j);
    const uint32_t p = __builtin_bswap32(static_cast<uint32_t>(x.w0 >> 32)), q = __builtin_bswap32(static_cast<uint32_t>(y.w0 >> 32));
    const uint64_t r = __builtin_bswap64(x.w1), s = __builtin_bswap64(y.w1);
    const bool tail = (r < s) | ((r == s) & (or_equal ? x.size() <= y.size() : x.size() < y.size()));
    flags[j] = (p < q) | ((p == q) & tail);
    undecided[j] = (p == q) & ((x.size() > 12) | (y.size() > 12));
  }
  *open = pack_flags(undecided);
  return pack_flags(flags);
}

template <bool kConst>
inline uint64_t equal_block(const void* a, const uint8_t* const* ab, const void* b, const uint8_t* const* bb, int64_t at, int64_t here) {
  uint64_t open, w;
#if defined(GRISTMILL_AVX512)
  if (here == 64) {
    w = equal_views_block<kConst>(static_cast<const uint8_t*>(a) + 16 * at, static_cast<const uint8_t*>(b) + (kConst ? 0 : 16 * at), &open);
  } else
#endif
    w = equal_views_rows<kConst>(a, b, at, here, &open);
  for (; open; open &= open - 1) {
    const int64_t i = at + __builtin_ctzll(open), j = kConst ? 0 : i;
    const View x = view_of(a, i);
    if (__builtin_memcmp(text_of(a, ab, x, i) + 4, text_of(b, bb, view_of(b, j), j) + 4, x.size() - 4)) w &= ~(open & -open);
  }
  return w;
}

// a < b, or a <= b with `or_equal`.
template <bool kConst>
inline uint64_t less_block(const void* a, const uint8_t* const* ab, const void* b, const uint8_t* const* bb, int64_t at, int64_t here,
                           bool or_equal) {
  uint64_t open, w;
#if defined(GRISTMILL_AVX512)
  if (here == 64) {
    w = less_views_block<kConst>(static_cast<const uint8_t*>(a) + 16 * at, static_cast<const uint8_t*>(b) + (kConst ? 0 : 16 * at),
                                 or_equal, &open);
  } else
#endif
    w = less_views_rows<kConst>(a, b, at, here, or_equal, &open);
  for (; open; open &= open - 1) {
    const int64_t i = at + __builtin_ctzll(open), j = kConst ? 0 : i;
    const int c = order_views(a, ab, view_of(a, i), i, b, bb, view_of(b, j), j);
    w = (c < 0 || (or_equal && c == 0)) ? w | (open & -open) : w & ~(open & -open);
  }
  return w;
}

template <int kOp, bool kConst>
void compare_views(const void* a, const uint8_t* const* ab, const void* b, const uint8_t* const* bb, int64_t n, uint64_t* out) {
  for (int64_t at = 0; at < n; at += 64) {
    const int64_t here = n - at < 64 ? n - at : 64;
    if constexpr (kOp == kEq) *out++ = equal_block<kConst>(a, ab, b, bb, at, here);
    if constexpr (kOp == kNe) *out++ = low_bits(here) & ~equal_block<kConst>(a, ab, b, bb, at, here);
    if constexpr (kOp == kLt) *out++ = less_block<kConst>(a, ab, b, bb, at, here, false);
    if constexpr (kOp == kLe) *out++ = less_block<kConst>(a, ab, b, bb, at, here, true);
    if constexpr (kOp == kGt) *out++ = low_bits(here) & ~less_block<kConst>(a, ab, b, bb, at, here, true);
    if constexpr (kOp == kGe) *out++ = low_bits(here) & ~less_block<kConst>(a, ab, b, bb, at, here, false);
  }
}

// By length: which bits of a view's two words lie behind an inline text. Lengths beyond 12 have none.
struct PaddingBits {
  uint64_t first[16];
  uint64_t second[16];
};
constexpr PaddingBits make_padding() {
  PaddingBits p{};
  for (int n = 0; n <= 12; ++n) {
    p.first[n] = n >= 4 ? 0 : ~uint64_t{0} << (32 + 8 * n);
    p.second[n] = n == 12 ? 0 : n <= 4 ? ~uint64_t{0} : ~uint64_t{0} << (8 * (n - 4));
  }
  return p;
}
alignas(64) constexpr PaddingBits kPadding = make_padding();

int64_t views_are_padded(const void* views, int64_t n) {
  int64_t i = 0;
#if defined(GRISTMILL_AVX512)
  const __m512i f0 = _mm512_load_si512(kPadding.first), f1 = _mm512_load_si512(kPadding.first + 8);
  const __m512i s0 = _mm512_load_si512(kPadding.second), s1 = _mm512_load_si512(kPadding.second + 8);
  __m512i stray = _mm512_setzero_si512();
  for (; i + 8 <= n; i += 8) {
    const EightViews v(EightPairs::load(static_cast<const uint8_t*>(views) + 16 * i));
    const __m512i size = _mm512_min_epu64(v.size(), _mm512_set1_epi64(13));
    stray = _mm512_or_si512(stray, _mm512_and_si512(v.w0, _mm512_permutex2var_epi64(f0, size, f1)));
    stray = _mm512_or_si512(stray, _mm512_and_si512(v.w1, _mm512_permutex2var_epi64(s0, size, s1)));
  }
  if (_mm512_test_epi64_mask(stray, stray)) return 0;
#endif
  uint64_t found = 0;
  const Word* w = static_cast<const Word*>(views);
  for (; i < n; ++i) {
    const uint32_t length = static_cast<uint32_t>(w[2 * i]), size = length < 13 ? length : 13;
    found |= (w[2 * i] & kPadding.first[size]) | (w[2 * i + 1] & kPadding.second[size]);
  }
  return found == 0;
}
