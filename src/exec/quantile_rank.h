// Where a quantile lies among n sorted values, for every way of interpolating.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

namespace gristmill::exec {

enum class Interpolation : uint8_t { kLinear, kLower, kHigher, kNearest, kMidpoint, kEquiprobable };

struct Quantile {
  double q = 0.5;
  Interpolation way = Interpolation::kLinear;
  bool descending = false;  // counted from the greatest value

  static Interpolation way_of(const std::string& name) {
    if (name == "lower") return Interpolation::kLower;
    if (name == "higher") return Interpolation::kHigher;
    if (name == "nearest") return Interpolation::kNearest;
    if (name == "midpoint") return Interpolation::kMidpoint;
    if (name == "equiprobable") return Interpolation::kEquiprobable;
    return Interpolation::kLinear;
  }
  bool between() const { return way == Interpolation::kLinear || way == Interpolation::kMidpoint; }
};

// Positions in ascending order; the value is `weight` of the way from a to b.
struct QuantileRank {
  int64_t a = 0;
  int64_t b = 0;
  double weight = 0;
};

inline QuantileRank quantile_rank(const Quantile& quantile, int64_t n) {
  const double place = quantile.q * static_cast<double>(n - 1);
  const double below = std::floor(place);
  const auto at = [&](double x) { return std::clamp<int64_t>(static_cast<int64_t>(x), 0, n - 1); };
  QuantileRank rank{at(below), at(below), 0};
  switch (quantile.way) {
    case Interpolation::kLower: break;
    case Interpolation::kHigher: rank.a = rank.b = at(std::ceil(place)); break;
    case Interpolation::kNearest: rank.a = rank.b = at(std::floor(place + 0.5)); break;
    case Interpolation::kEquiprobable: rank.a = rank.b = at(std::ceil(quantile.q * static_cast<double>(n)) - 1); break;
    case Interpolation::kLinear:
    case Interpolation::kMidpoint:
      rank.b = at(std::ceil(place));
      rank.weight = rank.a == rank.b ? 0 : quantile.way == Interpolation::kMidpoint ? 0.5 : place - below;
  }
  if (quantile.descending) {
    rank.a = n - 1 - rank.a;
    rank.b = n - 1 - rank.b;
  }
  return rank;
}

// Between two float64 values; of infinite ones as far as it has a meaning.
inline double between(double a, double b, double weight) {
  if (weight == 0 || a == b) return a;
  const double gap = b - a;
  return std::isfinite(gap) ? a + gap * weight : a * (1 - weight) + b * weight;
}

}  // namespace gristmill::exec
