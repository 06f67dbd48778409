// Mask words: counting, boolean algebra, conversion from bitmaps and to indices. Included by kernels-inl.h only.

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

int64_t count_bits(const uint64_t* words, int64_t n_words) {
  int64_t ones = 0;
  for (int64_t i = 0; i < n_words; ++i) ones += __builtin_popcountll(words[i]);
  return ones;
}

int64_t and_words(const uint64_t* a, const uint64_t* b, int64_t n_words, uint64_t* out) {
  int64_t ones = 0;
  for (int64_t i = 0; i < n_words; ++i) {
    out[i] = a[i] & b[i];
    ones += __builtin_popcountll(out[i]);
  }
  return ones;
}

int64_t or_words(const uint64_t* a, const uint64_t* b, int64_t n_words, uint64_t* out) {
  int64_t ones = 0;
  for (int64_t i = 0; i < n_words; ++i) {
    out[i] = a[i] | b[i];
    ones += __builtin_popcountll(out[i]);
  }
  return ones;
}

int64_t and_not_words(const uint64_t* a, const uint64_t* b, int64_t n_words, uint64_t* out) {
  int64_t ones = 0;
  for (int64_t i = 0; i < n_words; ++i) {
    out[i] = a[i] & ~b[i];
    ones += __builtin_popcountll(out[i]);
  }
  return ones;
}

int64_t not_words(const uint64_t* a, int64_t n, uint64_t* out) {
  int64_t ones = 0;
  for (int64_t at = 0, i = 0; at < n; at += 64, ++i) {
    out[i] = ~a[i] & low_bits(n - at);
    ones += __builtin_popcountll(out[i]);
  }
  return ones;
}

int64_t bits_to_words(const uint8_t* bits, int64_t offset, int64_t n, uint64_t* out) {
  int64_t ones = 0;
  for (int64_t at = 0, i = 0; at < n; at += 64, ++i) {
    const int64_t here = n - at < 64 ? n - at : 64;
    out[i] = bits ? read_bits(bits, offset + at, here) : low_bits(here);
    ones += __builtin_popcountll(out[i]);
  }
  return ones;
}

#if defined(GRISTMILL_AVX2)

inline uint16_t* word_to_indices(uint64_t m, int64_t base, uint16_t* out) {
  for (int k = 0; k < 8; ++k) {
    const unsigned mk = static_cast<unsigned>(m >> (8 * k)) & 0xff;
    const __m128i lanes = _mm_cvtepu8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(&kPacked.lanes[mk])));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_add_epi16(lanes, _mm_set1_epi16(static_cast<short>(base + 8 * k))));
    out += __builtin_popcount(mk);
  }
  return out;
}

#else

inline uint16_t* word_to_indices(uint64_t m, int64_t base, uint16_t* out) {
  for (; m; m &= m - 1) *out++ = static_cast<uint16_t>(base + __builtin_ctzll(m));
  return out;
}

#endif

int64_t mask_to_indices(const uint64_t* words, int64_t n, uint16_t* out) {
  uint16_t* o = out;
  for (int64_t at = 0, i = 0; at < n; at += 64, ++i) {
    uint64_t m = words[i];
    if (__builtin_popcountll(m) <= 8) {
      for (; m; m &= m - 1) *o++ = static_cast<uint16_t>(at + __builtin_ctzll(m));
    } else {
      o = word_to_indices(m, at, o);
    }
  }
  return o - out;
}
