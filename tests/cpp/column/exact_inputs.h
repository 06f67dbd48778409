// Doubles of many shapes for the tests of exact sums; everything follows from the seed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace gristmill::column::inputs {

enum class Shape { kPrices, kAnyFinite, kCancelling, kSubnormal, kHuge, kWithZeros, kNarrow, kIntegers, kTwoScales };
inline constexpr Shape kShapes[] = {Shape::kPrices,    Shape::kAnyFinite, Shape::kCancelling, Shape::kSubnormal, Shape::kHuge,
                                    Shape::kWithZeros, Shape::kNarrow,    Shape::kIntegers,   Shape::kTwoScales};

inline double from_bits(uint64_t bits) {
  double x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

inline uint64_t to_bits(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

inline double any_finite(std::mt19937_64& random) {
  for (;;) {
    const double x = from_bits(random());
    if (std::isfinite(x)) return x;
  }
}

inline double draw(Shape shape, std::mt19937_64& random) {
  const double sign = (random() & 1) != 0 ? 1 : -1;
  const double unit = static_cast<double>(random() >> 11) * 0x1p-53;
  switch (shape) {
    case Shape::kPrices: return sign * std::round(unit * 1e7) / 100;
    case Shape::kAnyFinite:
    case Shape::kCancelling: return any_finite(random);
    case Shape::kSubnormal: return from_bits((random() & 0x800fffffffffffffULL));
    case Shape::kHuge: return sign * std::ldexp(1 + unit, 1023 - static_cast<int>(random() % 4));
    case Shape::kWithZeros: return (random() & 3) != 0 ? sign * 0.0 : unit;
    case Shape::kNarrow: return 1e9 + unit;
    case Shape::kIntegers: return static_cast<double>(static_cast<int64_t>(random() % 2000001) - 1000000);
    case Shape::kTwoScales: return (random() & 1) != 0 ? sign * unit * 1e150 : sign * unit * 1e-150;
  }
  return 0;
}

inline std::vector<double> values(Shape shape, size_t n, std::mt19937_64& random) {
  std::vector<double> x(n);
  for (double& v : x) v = draw(shape, random);
  if (shape == Shape::kCancelling) {  // everything but the last cancels
    for (size_t i = 0; i + 1 < n; i += 2) x[i + 1] = -x[i];
    if (n > 0) x[n - 1] = std::ldexp(1.5, static_cast<int>(random() % 2000) - 1000);
    std::shuffle(x.begin(), x.end(), random);
  }
  return x;
}

inline std::string name(Shape shape, uint64_t seed) {
  return "shape " + std::to_string(static_cast<int>(shape)) + " seed " + std::to_string(seed);
}

}  // namespace gristmill::column::inputs
