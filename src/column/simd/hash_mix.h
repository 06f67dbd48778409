// The mixing functions of hash_rows. Internal linkage, for the reason told in column/bits.h.
//
// mix64 is a bijection (xor-shifts and odd multiplications), so distinct 64-bit keys never collide; its three
// shifts and two multiplications vectorise. Strings use 64x64 -> 128-bit products.
#pragma once

#include <cstdint>
#include <cstring>

namespace gristmill::column {

static constexpr uint64_t kHashSeed = 0x9e3779b97f4a7c15ULL;
static constexpr uint64_t kNullHash = 0x6a09e667f3bcc909ULL;

static inline uint64_t mix64(uint64_t x) {
  x ^= x >> 32;
  x *= 0xe9846af9b1a615dULL;
  x ^= x >> 32;
  x *= 0xe9846af9b1a615dULL;
  x ^= x >> 28;
  return x;
}

static inline uint64_t hash_word(uint64_t x) { return mix64(x + kHashSeed); }
static inline uint64_t hash_words(uint64_t low, uint64_t high) { return mix64((low + kHashSeed) ^ (high * 0xd6e8feb86659fd93ULL)); }
// Both sides are mixed already, so one product is enough. Not symmetric.
static inline uint64_t combine_hash(uint64_t h, uint64_t k) {
  uint64_t x = ((h << 27) | (h >> 37)) ^ k;
  x *= 0x9fb21c651e98df25ULL;
  return x ^ (x >> 32);
}

static inline uint64_t wide_product(uint64_t a, uint64_t b) {
  const unsigned __int128 p = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(p) ^ static_cast<uint64_t>(p >> 64);
}

static inline uint64_t load64(const uint8_t* p) {
  uint64_t w;
  std::memcpy(&w, p, 8);
  return w;
}

static constexpr uint64_t kText0 = 0xa0761d6478bd642fULL, kText1 = 0xe7037ed1a0b428dbULL, kText2 = 0x8ebc6af09c88c6e3ULL;

// More than 12 bytes; the last 16 overlap what came before. Texts of up to 12 bytes hash as the two words of their view.
static inline uint64_t hash_long_text(const uint8_t* p, uint64_t size) {
  if (size <= 16) return wide_product(wide_product(load64(p) ^ kText0, load64(p + size - 8) ^ kText1) ^ size, kText2);
  uint64_t h = size ^ kText2;
  for (uint64_t at = 0; at + 16 < size; at += 16) h = wide_product(load64(p + at) ^ kText0 ^ h, load64(p + at + 8) ^ kText1);
  return wide_product(wide_product(load64(p + size - 16) ^ kText0, load64(p + size - 8) ^ kText1) ^ h, kText2 ^ size);
}

static inline uint32_t canonical_bits(float v) {
  if (v != v) return 0x7fc00000u;
  if (v == 0) return 0;
  uint32_t b;
  std::memcpy(&b, &v, 4);
  return b;
}
static inline uint64_t canonical_bits(double v) {
  if (v != v) return 0x7ff8000000000000ULL;
  if (v == 0) return 0;
  uint64_t b;
  std::memcpy(&b, &v, 8);
  return b;
}

}  // namespace gristmill::column
