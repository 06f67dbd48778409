// Where the fields and records of delimited text end. Included by kernels-inl.h only.
//
// 64 bytes at a time become one mask per character that means something. The running exclusive-or of the quote bits is the
// mask of what lies inside quotes (an opening quote counts as inside, a closing one as outside; a doubled quote closes and opens).
// That holds only while quotes open where a field begins and close where it ends: text_borders says when they do not.

struct TextMasks {
  uint64_t delimiter, quote, line, carriage;
};

#if defined(GRISTMILL_AVX512)
inline uint64_t equal_bytes(const uint8_t* p, uint8_t c) {
  return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(p), _mm512_set1_epi8(static_cast<char>(c)));
}
#elif defined(GRISTMILL_AVX2)
inline uint64_t equal_bytes(const uint8_t* p, uint8_t c) {
  const __m256i v = _mm256_set1_epi8(static_cast<char>(c));
  const __m256i a = _mm256_cmpeq_epi8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), v);
  const __m256i b = _mm256_cmpeq_epi8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32)), v);
  return static_cast<uint32_t>(_mm256_movemask_epi8(a)) | static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(b))) << 32;
}
#else
inline uint64_t equal_bytes(const uint8_t* p, uint8_t c) {
  uint64_t m = 0;
  for (int w = 0; w < 8; ++w) {
    uint64_t x = 0;
    __builtin_memcpy(&x, p + 8 * w, 8);
    x ^= 0x0101010101010101u * c;
    // The high bit of every byte that is zero, exactly; then these eight bits side by side.
    x = ~(((x & 0x7f7f7f7f7f7f7f7fu) + 0x7f7f7f7f7f7f7f7fu) | x | 0x7f7f7f7f7f7f7f7fu);
    m |= ((x >> 7) * 0x0102040810204080u >> 56) << (8 * w);
  }
  return m;
}
#endif

inline uint64_t prefix_xor(uint64_t bits) {
#if defined(GRISTMILL_AVX2)
  const __m128i all = _mm_set1_epi8(static_cast<char>(0xff));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<long long>(bits)), all, 0)));
#else
  for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
  return bits;
#endif
}

inline uint64_t inside_quotes(uint64_t quotes, uint64_t& carry) {
  const uint64_t inside = prefix_xor(quotes) ^ carry;
  carry = static_cast<uint64_t>(static_cast<int64_t>(inside) >> 63);
  return inside;
}

// Most text has few quotes or none: 64 bytes without one, outside quotes, need only their line ends.
template <bool kQuoted>
void scan_borders(const uint8_t* text, int64_t n, uint8_t delimiter, uint8_t quote, TextBorders& out) {
  int64_t records = 0, blanks = 0, last = 0;
  uint64_t carry = 0, stray = 0, quotes = 0;
  uint64_t starts = 1, cr_starts = 0;   // what the bit before bit 0 says: a record begins; a record begins with a carriage return
  uint64_t may_open = 1, must_end = 0;  // a quote may open here; what follows a closing quote must end the field
  const auto step = [&](int64_t at, uint64_t there) {
    const uint64_t line = equal_bytes(text + at, '\n') & there, cr = equal_bytes(text + at, '\r') & there;
    uint64_t border = line;
    if constexpr (kQuoted) {
      const uint64_t q = equal_bytes(text + at, quote) & there;
      if ((q | carry | must_end) == 0) {
        may_open = border >> 63 | static_cast<uint64_t>(text[at + 63] == delimiter);
      } else {
        const uint64_t comma = equal_bytes(text + at, delimiter) & there;
        const uint64_t inside = inside_quotes(q, carry);
        border &= ~inside;
        const uint64_t closing = q & ~inside, opens = ((border | (comma & ~inside) | closing) << 1) | may_open;
        stray |= q & inside & ~opens;
        stray |= ((closing << 1) | must_end) & there & ~(comma | line | cr | q);
        may_open = ((border | (comma & ~inside) | closing) >> 63);
        must_end = closing >> 63;
        quotes |= q;
      }
    }
    const uint64_t begin = (border << 1) | starts, cr_begin = cr & begin;
    blanks += __builtin_popcountll(border & (begin | (cr_begin << 1) | cr_starts));
    records += __builtin_popcountll(border);
    starts = border >> 63;
    cr_starts = cr_begin >> 63;
    if (border != 0) last = at + 64 - __builtin_clzll(border);
  };
  int64_t at = 0;
  for (; at + 64 <= n; at += 64) step(at, ~uint64_t{0});
  if (at < n) step(at, low_bits(n - at));
  out.records = records;
  out.blanks = blanks;
  out.last = last;
  out.stray = stray != 0;
  out.quotes = quotes != 0;
}

void text_borders(const uint8_t* text, int64_t n, uint8_t delimiter, int quote, TextBorders* out) {
  if (quote < 0) {
    scan_borders<false>(text, n, delimiter, 0, *out);
  } else {
    scan_borders<true>(text, n, delimiter, static_cast<uint8_t>(quote), *out);
  }
}

// Eight positions are written whatever their number, more only when there are more.
inline uint32_t* write_positions(uint64_t bits, uint32_t base, uint32_t* out) {
  const int count = __builtin_popcountll(bits);
  uint32_t* const end = out + count;
  for (int done = 0; done < count; done += 8, out += 8) {
    for (int i = 0; i < 8; ++i) {
      out[i] = base + static_cast<uint32_t>(__builtin_ctzll(bits | (uint64_t{1} << 63)));
      bits &= bits - 1;
    }
  }
  return end;
}

template <bool kQuoted>
void scan_fields(const uint8_t* text, int64_t n, uint8_t delimiter, uint8_t quote, TextFields& f) {
  uint32_t* out = f.ends + f.fields;
  uint32_t* records = f.record_ends + f.records;
  uint64_t carry = f.inside;
  for (int64_t at = f.from; at < f.to; at += 64) {
    const uint64_t there = low_bits(n - at);
    uint64_t line = equal_bytes(text + at, '\n') & there;
    uint64_t ends = line | (equal_bytes(text + at, delimiter) & there);
    if constexpr (kQuoted) {
      const uint64_t outside = ~inside_quotes(equal_bytes(text + at, quote) & there, carry);
      line &= outside;
      ends &= outside;
    }
    const auto before = static_cast<uint32_t>(out - f.ends);
    for (; line != 0; line &= line - 1) {
      *records++ = before + static_cast<uint32_t>(__builtin_popcountll(ends & (line ^ (line - 1))));
    }
    out = write_positions(ends, static_cast<uint32_t>(at), out);
  }
  f.fields = out - f.ends;
  f.records = records - f.record_ends;
  f.inside = carry;
}

void text_fields(const uint8_t* text, int64_t n, uint8_t delimiter, int quote, TextFields* f) {
  if (quote < 0) {
    scan_fields<false>(text, n, delimiter, 0, *f);
  } else {
    scan_fields<true>(text, n, delimiter, static_cast<uint8_t>(quote), *f);
  }
}
