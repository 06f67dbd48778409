// A double as a whole number of few decimal digits over a power of ten, exactly rounded, without a text in between.
//
// magnitude * 10^places = mantissa * 5^places * 2^(exponent + places), and for the powers taken here that product fits 128 bits: nothing is
// rounded but the one result. What does not fit is left to the caller's slower way, which gives the same digits.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace gristmill::expr {

struct DecimalDigits {
  uint64_t digits = 0;  // at most 10^n, which is n + 1 digits where rounding carried
  int places = 0;       // value = digits / 10^places

  // The nearest double: both operands are exact, so the division rounds once.
  double value() const;
};

namespace decimal_digits {

constexpr int kMostDigits = 15;  // digits of a double that a decimal of that many always survives
constexpr int kMostPlaces = 22;  // 10^22 is the last power that a double holds

inline constexpr auto kFives = [] {
  std::array<uint64_t, kMostPlaces + 1> p{};
  p[0] = 1;
  for (size_t i = 1; i < p.size(); ++i) p[i] = p[i - 1] * 5;
  return p;
}();
inline constexpr auto kTens = [] {
  std::array<uint64_t, kMostDigits + 1> p{};
  p[0] = 1;
  for (size_t i = 1; i < p.size(); ++i) p[i] = p[i - 1] * 10;
  return p;
}();
inline constexpr auto kTensAsDoubles = [] {
  std::array<double, kMostPlaces + 1> p{};
  p[0] = 1;
  for (size_t i = 1; i < p.size(); ++i) p[i] = p[i - 1] * 10;
  return p;
}();

}  // namespace decimal_digits

inline double DecimalDigits::value() const {
  return static_cast<double>(digits) / decimal_digits::kTensAsDoubles[static_cast<size_t>(places)];
}

// `magnitude` rounded to n significant digits, half to even, as printf does; n is 1 to 15. False: not by this way (zero, subnormal
// and not finite ones among them).
inline bool round_to_digits(double magnitude, int n, DecimalDigits& out) {
  using namespace decimal_digits;
  constexpr int kMantissaBits = 52, kBias = 1023;
  const auto bits = std::bit_cast<uint64_t>(magnitude);
  const int biased = static_cast<int>(bits >> kMantissaBits);
  if (biased == 0 || biased >= 2 * kBias + 1) return false;  // also what is negative
  const uint64_t mantissa = (bits & ((uint64_t{1} << kMantissaBits) - 1)) | uint64_t{1} << kMantissaBits;
  const int power = biased - kBias;  // 2^power <= magnitude < 2^(power + 1)
  const int exponent = power - kMantissaBits;
  constexpr int kLog2 = 315653, kLogBits = 20;  // log10(2): the whole part is right or one too small
  int places = n - 1 - ((power * kLog2) >> kLogBits);
  for (int round = 0; round < 2; ++round, --places) {
    if (places < 0 || places > kMostPlaces) return false;
    const unsigned __int128 product = static_cast<unsigned __int128>(mantissa) * kFives[static_cast<size_t>(places)];
    const int shift = -(exponent + places);  // bits behind the point
    if (shift >= 128 || shift <= -11) return false;
    uint64_t whole;
    if (shift <= 0) {
      const unsigned __int128 all = product << -shift;
      if (all >= kTens[static_cast<size_t>(n)]) continue;
      whole = static_cast<uint64_t>(all);
    } else {
      const unsigned __int128 all = product >> shift;
      if (all >= kTens[static_cast<size_t>(n)]) continue;
      whole = static_cast<uint64_t>(all);
      const unsigned __int128 rest = product & ((static_cast<unsigned __int128>(1) << shift) - 1);
      const unsigned __int128 half = static_cast<unsigned __int128>(1) << (shift - 1);
      whole += rest > half || (rest == half && (whole & 1) != 0);
    }
    if (whole < kTens[static_cast<size_t>(n - 1)]) return false;
    out = {whole, places};
    return true;
  }
  return false;
}

// The digits of the shortest decimal that reads back as `magnitude`, where that has at most 15: any two such decimals are different
// doubles, so the one found is it.
inline bool shortest_digits(double magnitude, DecimalDigits& out) {
  return round_to_digits(magnitude, decimal_digits::kMostDigits, out) && out.value() == magnitude;
}

}  // namespace gristmill::expr
