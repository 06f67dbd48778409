// Integers to digits, eight at a time.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace gristmill::column {

static_assert(std::endian::native == std::endian::little);

// v < 10^8 as eight digits, the first in the lowest byte: four digits in each half, two in each quarter, one in each byte. The factors
// divide by 100 and by 10 for every number that small.
inline uint64_t eight_digits(uint32_t v) {
  uint64_t x = v / 10000 | static_cast<uint64_t>(v % 10000) << 32;
  const uint64_t hundreds = ((x * 10486) >> 20) & 0x0000007f0000007fu;
  x = hundreds | (x - hundreds * 100) << 16;
  const uint64_t tens = ((x * 103) >> 10) & 0x000f000f000f000fu;
  x = tens | (x - tens * 10) << 8;
  return x | 0x3030303030303030u;
}

inline void put_eight(uint32_t v, char* out) {
  const uint64_t digits = eight_digits(v);
  std::memcpy(out, &digits, 8);
}

inline constexpr int kIntegerRoom = 24;  // bytes that write_digits() may touch

// The end of the text.
inline char* write_digits(uint64_t v, char* out) {
  constexpr uint64_t kHalf = 100000000;
  if (v >= kHalf) {
    out = write_digits(v / kHalf, out);
    put_eight(static_cast<uint32_t>(v % kHalf), out);
    return out + 8;
  }
  const uint64_t digits = eight_digits(static_cast<uint32_t>(v));
  const int blank = std::countr_zero((digits & 0x0f0f0f0f0f0f0f0fu) | uint64_t{1} << 56) >> 3;  // leading zeros, never all eight
  const uint64_t left = digits >> (8 * blank);
  std::memcpy(out, &left, 8);
  return out + 8 - blank;
}

inline char* write_digits(int64_t v, char* out) {
  *out = '-';
  return write_digits(v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v), out + (v < 0));
}

}  // namespace gristmill::column
