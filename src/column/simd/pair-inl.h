// Values of two 64-bit words: views and 16-byte integers, wherever they lie. Included by kernels-inl.h only.

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

#if defined(GRISTMILL_AVX512)

// 8 values with their first words in one register and their second in another.
struct EightPairs {
  __m512i first, second;
  static EightPairs load(const uint8_t* p) {
    const __m512i a = _mm512_loadu_si512(p), b = _mm512_loadu_si512(p + 64);
    return {_mm512_permutex2var_epi64(a, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), b),
            _mm512_permutex2var_epi64(a, _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15), b)};
  }
  static EightPairs repeat(const uint8_t* p) {
    const View v = view_of(p, 0);
    return {_mm512_set1_epi64(static_cast<long long>(v.w0)), _mm512_set1_epi64(static_cast<long long>(v.w1))};
  }
};

#endif

// Bits of the views that are not inline.
inline uint64_t long_views(const void* views, int64_t at, int64_t here) {
  const uint8_t* p = static_cast<const uint8_t*>(views) + 16 * at;
#if defined(GRISTMILL_AVX512)
  if (here == 64) {
    // Four views a register: their lengths are lanes 0, 4, 8, 12 of 32 bits.
    uint64_t w = 0;
    for (int k = 0; k < 16; k += 4) {
      uint64_t lanes = 0;
      for (int i = 0; i < 4; ++i) {
        const __mmask16 m = _mm512_mask_cmpgt_epu32_mask(0x1111, _mm512_loadu_si512(p + 64 * (k + i)), _mm512_set1_epi32(12));
        lanes |= mask_bits(m) << (16 * i);
      }
      w |= _pext_u64(lanes, 0x1111111111111111ULL) << (4 * k);
    }
    return w;
  }
#endif
  alignas(64) uint8_t flags[64] = {};
  for (int64_t j = 0; j < here; ++j) flags[j] = view_of(p, j).size() > 12;
  return pack_flags(flags);
}
