// Powers of ten up to 10^38 as 128-bit integers.
#pragma once

#include <array>

namespace gristmill::expr {

inline __int128 power_of_ten(int digits) {
  static constexpr auto kPowers = [] {
    std::array<__int128, 39> p{};
    p[0] = 1;
    for (size_t i = 1; i < p.size(); ++i) p[i] = p[i - 1] * 10;
    return p;
  }();
  return kPowers[static_cast<size_t>(digits)];
}

// v / 10^digits, rounded half away from zero.
inline __int128 round_off(__int128 v, int digits) {
  const __int128 p = power_of_ten(digits), q = v / p, rest = v % p;
  const __int128 size = rest < 0 ? -rest : rest;
  return size >= p - size ? q + (v < 0 ? -1 : 1) : q;
}

}  // namespace gristmill::expr
