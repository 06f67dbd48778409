// Units as doubles, rounded once: to nearest, ties to even. The scalar form, which files of SIMD levels include for what they do not
// vectorise; everything is in an unnamed namespace, so it is compiled with that level's flags and shared with no other level.

#include <string.h>

namespace gristmill::column {
namespace {

// (low, high), two's complement, times 2^exponent; exponent within kLeastRounded .. kMostRounded, so the result is normal or zero.
inline double rounded_units(uint64_t low, uint64_t high, int exponent) {
  const uint64_t sign = high & 0x8000000000000000ULL;
  unsigned __int128 magnitude = static_cast<unsigned __int128>(high) << 64 | low;
  if (sign != 0) magnitude = -magnitude;
  if (magnitude == 0) return 0;
  const uint64_t upper = static_cast<uint64_t>(magnitude >> 64);
  const int zeros = upper != 0 ? __builtin_clzll(upper) : 64 + __builtin_clzll(static_cast<uint64_t>(magnitude));
  magnitude <<= zeros;
  // 64 bits and one that stands for all below: enough for one rounding to 53.
  const uint64_t top = static_cast<uint64_t>(magnitude >> 64) | static_cast<uint64_t>(static_cast<uint64_t>(magnitude) != 0);
  const double rounded = static_cast<double>(top);
  uint64_t bits;
  memcpy(&bits, &rounded, sizeof bits);
  bits = (bits + (static_cast<uint64_t>(static_cast<int64_t>(exponent) + 64 - zeros) << 52)) | sign;
  double out;
  memcpy(&out, &bits, sizeof out);
  return out;
}

inline void round_rows(const uint64_t* const* sums, int begin, int n, int exponent, double* out) {
  for (int i = begin; i < n; ++i) {
    const uint64_t low = sums[0][i] - sums[2][i];
    const uint64_t high = sums[1][i] - sums[3][i] - static_cast<uint64_t>(sums[0][i] < sums[2][i]);
    out[i] = rounded_units(low, high, exponent);
  }
}

}  // namespace
}  // namespace gristmill::column
