// Fixed-point limbs of moment states, row by row: what exact_moments.cc does where no vector kernel is at hand.
//
// A part of a state is one of its sums: variable v (two limbs) or, from K on, a product (four limbs). All are two's
// complement, lowest limb first; nothing here wraps around silently.
#pragma once

#include <cstdint>
#include <cstring>

#include "column/exact_sum.h"
#include "column/simd/exact_kernels.h"

namespace gristmill::column::limbs {

using Limb = uint64_t;
using Unsigned128 = unsigned __int128;

inline bool nearly_full(uint64_t top) { return (top + (uint64_t{1} << 62)) >> 63 != 0; }

// a += b; false, with a unchanged, when the limbs do not hold the sum. At most eight limbs.
inline bool add_checked(Limb* a, const Limb* b, int count) {
  Limb sum[8];
  Limb carry = 0;
  for (int i = 0; i < count; ++i) {
    const Unsigned128 s = Unsigned128{a[i]} + b[i] + carry;
    sum[i] = static_cast<Limb>(s);
    carry = static_cast<Limb>(s >> 64);
  }
  const Limb mine = a[count - 1] >> 63, theirs = b[count - 1] >> 63;
  if (mine == theirs && sum[count - 1] >> 63 != mine) return false;
  std::memcpy(a, sum, sizeof(Limb) * static_cast<size_t>(count));
  return true;
}

inline void negate(Limb* a, int count) {
  Limb carry = 1;
  for (int i = 0; i < count; ++i) {
    a[i] = ~a[i] + carry;
    carry &= a[i] == 0;
  }
}

// A value of the window as magnitude << shift units; zeros have magnitude 0.
struct WindowValue {
  uint64_t magnitude = 0;
  unsigned shift = 0;
  bool negative = false;
};

inline bool window_value(const ExactUnit& unit, double x, WindowValue* v) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  if (bits << 1 == 0) return true;
  const int64_t shift = static_cast<int64_t>(bits >> 52 & 0x7ff) - ExactUnit::kBias - unit.exponent();
  if (shift < 0 || shift >= ExactUnit::kShifts) return false;
  *v = {(bits & 0xfffffffffffffULL) | 0x10000000000000ULL, static_cast<unsigned>(shift), bits >> 63 != 0};
  return true;
}

// magnitude << shift, for a shift below 128.
inline void shifted_limbs(Unsigned128 magnitude, unsigned shift, bool negative, Limb* limbs, int count) {
  const unsigned whole = shift / 64, part = shift % 64;
  const uint64_t low = static_cast<uint64_t>(magnitude), high = static_cast<uint64_t>(magnitude >> 64);
  const Limb shifted[3] = {low << part, part == 0 ? high : high << part | low >> (64 - part), part == 0 ? 0 : high >> (64 - part)};
  for (unsigned i = 0; i < static_cast<unsigned>(count); ++i) limbs[i] = i >= whole && i - whole < 3 ? shifted[i - whole] : 0;
  if (negative) negate(limbs, count);
}

// The limbs of part `part` of a state.
template <int K>
int part_limbs(const ExactMomentState<K>& state, int part, Limb* limbs) {
  if (part >= K) {
    std::memcpy(limbs, state.product[part - K], 4 * sizeof(Limb));
    return 4;
  }
  limbs[0] = static_cast<Limb>(state.sum[part]);
  limbs[1] = static_cast<Limb>(state.sum[part] >> 64);
  return 2;
}

template <int K>
void set_part(ExactMomentState<K>& state, int part, const Limb* limbs) {
  if (part >= K) {
    std::memcpy(state.product[part - K], limbs, 4 * sizeof(Limb));
  } else {
    state.sum[part] = static_cast<__int128>(Unsigned128{limbs[1]} << 64 | limbs[0]);
  }
}

template <int K>
bool add_to_part(ExactMomentState<K>& state, int part, const Limb* limbs) {
  Limb mine[4];
  const int count = part_limbs<K>(state, part, mine);
  if (!add_checked(mine, limbs, count)) return false;
  set_part<K>(state, part, mine);
  return true;
}

}  // namespace gristmill::column::limbs
