// Compress by mask. Included by kernels-inl.h only.
//
// Per word of 64 rows: all set -> one copy; up to 8 set -> a loop over them; else permute within registers, by a table that says
// which lane goes where, and store whole registers (the surplus is overwritten, or slack). The last, partial word always
// takes the loop: values beyond n may not be there to load.

template <typename T>
inline T* copy_set(const T* base, uint64_t m, T* out) {
  for (; m; m &= m - 1) *out++ = base[__builtin_ctzll(m)];
  return out;
}

// Every row is stored and the cursor moves only behind kept ones: no branch to mispredict, one store per row. Worth it when most rows stay.
template <typename T>
inline T* copy_most(const T* base, uint64_t m, T* out) {
  for (int j = 0; j < 64; ++j) {
    *out = base[j];
    out += (m >> j) & 1;
  }
  return out;
}

#if defined(GRISTMILL_AVX2)

inline uint8_t* compress_word(const uint8_t* base, uint64_t m, uint8_t* out) {
  for (int k = 0; k < 8; ++k) {
    const unsigned mk = static_cast<unsigned>(m >> (8 * k)) & 0xff;
    const __m128i order = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(&kPacked.lanes[mk]));
    const __m128i v = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(base + 8 * k));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), _mm_shuffle_epi8(v, order));
    out += __builtin_popcount(mk);
  }
  return out;
}

inline uint16_t* compress_word(const uint16_t* base, uint64_t m, uint16_t* out) {
  for (int k = 0; k < 8; ++k) {
    const unsigned mk = static_cast<unsigned>(m >> (8 * k)) & 0xff;
    const __m128i lane = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(&kPacked.lanes[mk]));
    const __m128i low = _mm_add_epi8(lane, lane);  // byte positions 2i and 2i + 1
    const __m128i order = _mm_unpacklo_epi8(low, _mm_add_epi8(low, _mm_set1_epi8(1)));
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(base + 8 * k));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_shuffle_epi8(v, order));
    out += __builtin_popcount(mk);
  }
  return out;
}

inline uint32_t* compress_word(const uint32_t* base, uint64_t m, uint32_t* out) {
  for (int k = 0; k < 8; ++k) {
    const unsigned mk = static_cast<unsigned>(m >> (8 * k)) & 0xff;
    const __m256i order = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(&kPacked.lanes[mk])));
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(base + 8 * k));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permutevar8x32_epi32(v, order));
    out += __builtin_popcount(mk);
  }
  return out;
}

#endif

#if defined(GRISTMILL_AVX512)

// Permutation by table costs less than the compress instruction on Zen, and no more elsewhere.
inline uint64_t* compress_word(const uint64_t* base, uint64_t m, uint64_t* out) {
  for (int k = 0; k < 8; ++k) {
    const unsigned mk = static_cast<unsigned>(m >> (8 * k)) & 0xff;
    const __m512i order = _mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(&kPacked.lanes[mk])));
    _mm512_storeu_si512(out, _mm512_permutexvar_epi64(order, _mm512_loadu_si512(base + 8 * k)));
    out += __builtin_popcount(mk);
  }
  return out;
}

inline Wide* compress_word(const Wide* base, uint64_t m, Wide* out) {
  for (int k = 0; k < 16; ++k) {
    const unsigned mk = static_cast<unsigned>(m >> (4 * k)) & 0xf;
    const __m512i order = _mm512_cvtepu8_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(&kPacked.pairs[mk])));
    _mm512_storeu_si512(out, _mm512_permutexvar_epi64(order, _mm512_loadu_si512(base + 4 * k)));
    out += __builtin_popcount(mk);
  }
  return out;
}

#elif defined(GRISTMILL_AVX2)

inline uint64_t* compress_word(const uint64_t* base, uint64_t m, uint64_t* out) {
  for (int k = 0; k < 16; ++k) {
    const unsigned mk = static_cast<unsigned>(m >> (4 * k)) & 0xf;
    const __m256i order = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(&kPacked.pairs[mk])));
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(base + 4 * k));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permutevar8x32_epi32(v, order));
    out += __builtin_popcount(mk);
  }
  return out;
}

inline Wide* compress_word(const Wide* base, uint64_t m, Wide* out) {
  return __builtin_popcountll(m) <= 32 ? copy_set(base, m, out) : copy_most(base, m, out);
}

#else

template <typename T>
inline T* compress_word(const T* base, uint64_t m, T* out) {
  return __builtin_popcountll(m) <= 32 ? copy_set(base, m, out) : copy_most(base, m, out);
}

#endif

template <typename T>
int64_t filter_values(const void* values, const uint64_t* words, int64_t n, void* out) {
  const T* v = static_cast<const T*>(values);
  T* o = static_cast<T*>(out);
  for (int64_t at = 0, i = 0; at < n; at += 64, ++i) {
    const uint64_t m = words[i];
    if (m == 0) continue;
    if (m == ~uint64_t{0}) {
      __builtin_memcpy(o, v + at, 64 * sizeof(T));
      o += 64;
    } else if (__builtin_popcountll(m) <= 8 || at + 64 > n) {
      o = copy_set(v + at, m, o);
    } else {
      o = compress_word(v + at, m, o);
    }
  }
  return o - static_cast<T*>(out);
}

#if defined(GRISTMILL_AVX2)
inline uint64_t extract_bits(uint64_t bits, uint64_t m) { return _pext_u64(bits, m); }
#else
inline uint64_t extract_bits(uint64_t bits, uint64_t m) {
  uint64_t out = 0;
  for (int k = 0; m; m &= m - 1, ++k) out |= ((bits >> __builtin_ctzll(m)) & 1) << k;
  return out;
}
#endif

int64_t filter_bits(const uint8_t* bits, int64_t offset, const uint64_t* words, int64_t n, uint8_t* out) {
  uint64_t pending = 0;  // the bits of the word being filled
  int filled = 0;
  int64_t ones = 0;
  for (int64_t at = 0, i = 0; at < n; at += 64, ++i) {
    const uint64_t m = words[i];
    if (m == 0) continue;
    const int64_t here = n - at < 64 ? n - at : 64;
    const uint64_t source = bits ? read_bits(bits, offset + at, here) : ~uint64_t{0};
    const int count = __builtin_popcountll(m);
    const uint64_t kept = m == ~uint64_t{0} ? source : extract_bits(source, m);
    ones += __builtin_popcountll(kept);
    pending |= kept << filled;
    if (filled + count >= 64) {
      __builtin_memcpy(out, &pending, 8);
      out += 8;
      pending = filled ? kept >> (64 - filled) : 0;
      filled = filled + count - 64;
    } else {
      filled += count;
    }
  }
  if (filled) __builtin_memcpy(out, &pending, 8);
  return ones;
}
