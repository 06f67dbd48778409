// Where a text first occurs in another one.
//
// Sixteen places at once: those where the needle's first and last byte both fit are compared in full.
#pragma once

#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace gristmill::expr {

inline size_t find_text(std::string_view s, std::string_view needle) {
  const size_t m = needle.size();
  if (m == 0) return 0;
  if (s.size() < m) return std::string_view::npos;
  const size_t places = s.size() - m + 1;
  const char* p = s.data();
  const char first = needle[0], last = needle[m - 1];
  size_t i = 0;
#if defined(__SSE2__)
  const __m128i first16 = _mm_set1_epi8(first), last16 = _mm_set1_epi8(last);
  while (places >= 16 && i < places) {
    const size_t at = i + 16 <= places ? i : places - 16;  // the last sixteen overlap what was seen
    const __m128i head = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + at));
    const __m128i tail = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + at + m - 1));
    auto fits = static_cast<unsigned>(_mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(head, first16), _mm_cmpeq_epi8(tail, last16))));
    for (; fits; fits &= fits - 1) {
      const size_t place = at + static_cast<size_t>(__builtin_ctz(fits));
      if (std::memcmp(p + place, needle.data(), m) == 0) return place;
    }
    i = at + 16;
  }
#endif
  for (; i < places; ++i) {
    if (p[i] == first && p[i + m - 1] == last && std::memcmp(p + i, needle.data(), m) == 0) return i;
  }
  return std::string_view::npos;
}

inline bool holds_text(std::string_view s, std::string_view needle) { return find_text(s, needle) != std::string_view::npos; }

}  // namespace gristmill::expr
