// Values -> the first eight bytes of their key encoding. Included by kernels-inl.h only.

// Unsigned numbers of the same width in the value's order; every NaN is the greatest, -0.0 is 0.0. Integer steps only, so that
// loops over it vectorise.
template <typename U, bool kFloat, bool kSigned>
inline U ordered_unsigned(U bits) {
  constexpr U kSign = static_cast<U>(U{1} << (8 * sizeof(U) - 1));
  if constexpr (kFloat) {
    constexpr U kInfinity = sizeof(U) == 8 ? static_cast<U>(0x7ff0000000000000) : static_cast<U>(0x7f800000);
    constexpr U kNaN = sizeof(U) == 8 ? static_cast<U>(0x7ff8000000000000) : static_cast<U>(0x7fc00000);
    const U size = bits & static_cast<U>(~kSign);
    bits = size == 0 ? U{0} : bits;
    bits = size > kInfinity ? kNaN : bits;
    const U negative = static_cast<U>(U{0} - (bits >> (8 * sizeof(U) - 1)));
    return bits ^ (negative | kSign);
  } else {
    return kSigned ? static_cast<U>(bits ^ kSign) : bits;
  }
}

template <typename U, bool kFloat, bool kSigned>
void sort_prefixes(const void* values, int64_t n, uint64_t flip, uint64_t* __restrict out) {
  constexpr int kShift = 64 - 8 * static_cast<int>(sizeof(U));
  const auto* from = static_cast<const uint8_t*>(values);
  for (int64_t i = 0; i < n; ++i) {
    U bits;
    __builtin_memcpy(&bits, from + i * static_cast<int64_t>(sizeof(U)), sizeof(U));
    out[i] = (static_cast<uint64_t>(ordered_unsigned<U, kFloat, kSigned>(bits)) << kShift) ^ flip;
  }
}

void sort_prefixes_int128(const void* values, int64_t n, uint64_t flip, uint64_t* __restrict out) {
  const auto* from = static_cast<const uint8_t*>(values);
  for (int64_t i = 0; i < n; ++i) {
    uint64_t high;
    __builtin_memcpy(&high, from + i * 16 + 8, 8);
    out[i] = high ^ (uint64_t{1} << 63) ^ flip;
  }
}
