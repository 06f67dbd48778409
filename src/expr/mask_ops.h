// Set operations on masks of equal length, in place.
#pragma once

#include <cstring>

#include "column/bits.h"
#include "column/selection.h"
#include "column/simd/dispatch.h"

namespace gristmill::expr {

inline int64_t words_of(const column::Mask& m) { return static_cast<int64_t>(m.words.size()); }

// All return the number of bits set afterwards.
inline int64_t and_into(column::Mask& a, const column::Mask& b) {
  return column::simd::kernels().and_words(a.words.data(), b.words.data(), words_of(a), a.words.data());
}
inline int64_t or_into(column::Mask& a, const column::Mask& b) {
  return column::simd::kernels().or_words(a.words.data(), b.words.data(), words_of(a), a.words.data());
}
inline int64_t and_not_into(column::Mask& a, const column::Mask& b) {
  return column::simd::kernels().and_not_words(a.words.data(), b.words.data(), words_of(a), a.words.data());
}
inline int64_t invert(column::Mask& a) { return column::simd::kernels().not_words(a.words.data(), a.rows, a.words.data()); }

// Only the selected rows.
inline void restrict_to(column::Mask& m, const column::Selection& selection) {
  if (!selection.all()) and_into(m, selection.mask(m.rows));
}

inline column::Mask mask_of_bits(const uint8_t* bits, int64_t offset, int64_t rows) {
  column::Mask m;
  m.rows = rows;
  m.words.resize(static_cast<size_t>(column::word_count(rows)));
  column::simd::kernels().bits_to_words(bits, offset, rows, m.words.data());
  return m;
}

}  // namespace gristmill::expr
