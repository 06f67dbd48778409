// What the vectorised exact sums share: the kernels of the active SIMD level and rows cut into blocks.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/cpu.h"
#include "column/simd/exact_kernels.h"

namespace gristmill::column {

inline const ExactKernels& exact_kernels() {
#if defined(__x86_64__)
  switch (base::active_simd_level()) {
    case base::SimdLevel::kAvx512: return kAvx512ExactKernels;
    case base::SimdLevel::kAvx2: return kAvx2ExactKernels;
    case base::SimdLevel::kBaseline: break;
  }
#endif
  return kPortableExactKernels;
}

// Bits [from, from + n) of a bitmap, moved to bit 0; no byte beyond the last bit is read. n <= kExactBlock.
inline void copy_validity(const uint8_t* bitmap, int64_t from, int n, uint64_t* out) {
  const uint8_t* p = bitmap + (from >> 3);
  const int part = static_cast<int>(from & 7);
  const int64_t bytes = (part + n + 7) / 8;
  for (int64_t word = 0; word * 64 < n; ++word) {
    const int64_t left = bytes - word * 8;
    uint64_t bits = 0;
    std::memcpy(&bits, p + word * 8, left < 8 ? static_cast<size_t>(left) : 8);
    bits >>= part;
    if (part != 0 && left > 8) bits |= uint64_t{p[word * 8 + 8]} << (64 - part);
    out[word] = bits;
  }
}

// Calls block(first, rows, valid) for each block of the rows; `valid` is null when all rows are.
template <class Block>
void for_each_block(const uint8_t* validity, int64_t validity_offset, int64_t n, Block block) {
  uint64_t bits[kExactBlock / 64];
  for (int64_t first = 0; first < n; first += kExactBlock) {
    const int rows = n - first < kExactBlock ? static_cast<int>(n - first) : kExactBlock;
    if (validity != nullptr) copy_validity(validity, validity_offset + first, rows, bits);
    block(first, rows, validity == nullptr ? nullptr : bits);
  }
}

// A block of some size with that many rows outside the window makes a table reconsider its unit, at most so many times.
inline bool is_misfit(int64_t outside, int64_t rows) { return rows >= 64 && outside > rows / 4; }
inline constexpr int kMostReconsiderations = 16;

// The valid values of a block, moved together.
inline int gather_valid(const double* x, const uint64_t* valid, int n, double* out) {
  int count = 0;
  for (int i = 0; i < n; ++i) {
    out[count] = x[i];
    count += valid == nullptr ? 1 : static_cast<int>(valid[i >> 6] >> (i & 63) & 1);
  }
  return count;
}

// A block of any numeric column as doubles: itself, or converted (float exactly) into `buffer`.
inline const double* block_as_doubles(const double* x, int, double*) { return x; }
inline const double* block_as_doubles(const float* x, int n, double* buffer) {
  for (int i = 0; i < n; ++i) buffer[i] = x[i];
  return buffer;
}

}  // namespace gristmill::column
