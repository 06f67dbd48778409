// Bits of Arrow bitmaps as 64-bit words.
//
// Everything has internal linkage: files compiled for a higher instruction set include this
// header too, and their copies must not be shared with the rest of the program.
#pragma once

#include <cstdint>
#include <cstring>

namespace gristmill::column {

static inline int64_t word_count(int64_t bits) { return (bits + 63) >> 6; }
static inline uint64_t low_bits(int64_t n) { return n >= 64 ? ~uint64_t{0} : (uint64_t{1} << n) - 1; }

// n bits (1..64) from bit `pos`, in the low bits of the answer. Reads no byte beyond the one that holds the last bit.
static inline uint64_t read_bits(const uint8_t* bits, int64_t pos, int64_t n) {
  const uint8_t* p = bits + (pos >> 3);
  const int shift = static_cast<int>(pos & 7);
  uint64_t w = 0;
  if (n == 64) {
    std::memcpy(&w, p, 8);
    return shift ? (w >> shift) | (static_cast<uint64_t>(p[8]) << (64 - shift)) : w;
  }
  const int64_t bytes = (shift + n + 7) >> 3;
  std::memcpy(&w, p, bytes < 8 ? bytes : 8);
  w >>= shift;
  if (bytes == 9) w |= static_cast<uint64_t>(p[8]) << (64 - shift);
  return w & low_bits(n);
}

static inline void write_bit(uint8_t* bits, int64_t i, bool value) {
  const uint8_t m = static_cast<uint8_t>(1u << (i & 7));
  bits[i >> 3] = value ? bits[i >> 3] | m : bits[i >> 3] & static_cast<uint8_t>(~m);
}

// f(i) for every set bit of `words`, ascending.
template <typename F>
static inline void for_each_set(const uint64_t* words, int64_t n_words, F&& f) {
  for (int64_t w = 0; w < n_words; ++w) {
    for (uint64_t m = words[w]; m; m &= m - 1) f(w * 64 + __builtin_ctzll(m));
  }
}

}  // namespace gristmill::column
