// Mask words: counting, boolean algebra, conversion from bitmaps and to indices. Included by kernels-inl.h only.

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

#if defined(GRISTMILL_AVX512)

// 16 positions at a time: compress in a register, then store all of it (the surplus is overwritten or slack).
inline uint16_t* word_to_indices(uint64_t m, int64_t base, uint16_t* out) {
  __m512i position = _mm512_add_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                      _mm512_set1_epi32(static_cast<int>(base)));
  for (int k = 0; k < 4; ++k) {
    const __mmask16 mk = static_cast<__mmask16>(m >> (16 * k));
    const __m256i packed = _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(mk, position));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), packed);
    out += __builtin_popcount(mk);
    position = _mm512_add_epi32(position, _mm512_set1_epi32(16));
  }
  return out;
}

#elif defined(GRISTMILL_AVX2)

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
