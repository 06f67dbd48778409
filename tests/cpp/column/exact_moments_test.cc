// Variance, covariance, correlation and regression against long-hand rationals, at every level, unit and split.

#include "column/exact_moments.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/cpu.h"
#include "exact_inputs.h"
#include "exact_reference.h"

namespace gristmill::column {
namespace {

using inputs::kShapes;
using inputs::Shape;
using inputs::to_bits;
using reference::is_rounded;
using reference::Number;

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::numeric_limits<double>::quiet_NaN();

struct Sums {
  int64_t n = 0;
  Number x, y, xx, xy, yy;

  void add(double a, double b) {
    const Number p = reference::of(a), q = reference::of(b);
    ++n;
    x = reference::add(x, p);
    y = reference::add(y, q);
    xx = reference::add(xx, reference::multiply(p, p));
    xy = reference::add(xy, reference::multiply(p, q));
    yy = reference::add(yy, reference::multiply(q, q));
  }
  Number centred(const Number& product, const Number& a, const Number& b) const {
    return reference::subtract(reference::multiply(reference::integer(n), product), reference::multiply(a, b));
  }
};

std::vector<double> second_variable(const std::vector<double>& x, Shape shape, std::mt19937_64& random) {
  std::vector<double> y = inputs::values(shape, x.size(), random);
  if (shape == Shape::kPrices) {  // nearly a line
    for (size_t i = 0; i < x.size(); ++i) y[i] = 3 * x[i] + y[i] * 1e-9;
  }
  return y;
}

void check_pairs(const GroupPairs& pairs, const Sums& s, const std::string& name) {
  ASSERT_EQ(pairs.count(0), s.n);
  const Number n = reference::integer(s.n);
  ASSERT_TRUE(is_rounded(*pairs.mean(0, 0), s.x, n)) << name;
  ASSERT_TRUE(is_rounded(*pairs.mean(0, 1), s.y, n)) << name;
  const Number sxx = s.centred(s.xx, s.x, s.x), sxy = s.centred(s.xy, s.x, s.y), syy = s.centred(s.yy, s.y, s.y);
  for (const int ddof : {0, 1}) {
    if (s.n <= ddof) continue;
    const Number divisor = reference::multiply(n, reference::integer(s.n - ddof));
    ASSERT_TRUE(is_rounded(*pairs.variance(0, ddof), sxx, divisor)) << name;
    ASSERT_TRUE(is_rounded(*pairs.stddev(0, ddof), sxx, divisor, true)) << name;
    ASSERT_TRUE(is_rounded(*pairs.covariance(0, 1, 1, ddof), syy, divisor)) << name;
    ASSERT_TRUE(is_rounded(*pairs.covariance(0, 0, 1, ddof), sxy, divisor)) << name;
    ASSERT_TRUE(is_rounded(*pairs.covariance(0, 1, 0, ddof), sxy, divisor)) << name;
  }
  if (reference::sign(sxx) == 0) {
    ASSERT_TRUE(std::isnan(*pairs.slope(0)));
    ASSERT_TRUE(std::isnan(*pairs.correlation(0)));
    return;
  }
  ASSERT_TRUE(is_rounded(*pairs.slope(0), sxy, sxx)) << name;
  const Number offset = reference::subtract(reference::multiply(s.y, s.xx), reference::multiply(s.x, s.xy));
  ASSERT_TRUE(is_rounded(*pairs.intercept(0), offset, sxx)) << name;
  if (reference::sign(syy) == 0) return;
  ASSERT_TRUE(
      is_rounded(*pairs.correlation(0), reference::multiply(sxy, sxy), reference::multiply(sxx, syy), true, reference::sign(sxy) < 0))
      << name;
  ASSERT_LE(std::fabs(*pairs.correlation(0)), 1.0);
}

TEST(GroupMoments, AreTheExactRationalsRoundedOnce) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    for (const Shape shape : kShapes) {
      std::mt19937_64 random(seed);
      const std::vector<double> x = inputs::values(shape, 1 + random() % 150, random);
      const std::vector<double> y = second_variable(x, kShapes[random() % 9], random);
      Sums sums;
      for (size_t i = 0; i < x.size(); ++i) sums.add(x[i], y[i]);
      const std::vector<uint32_t> groups(x.size(), 0);
      for (const base::SimdLevel level : base::available_simd_levels()) {
        base::force_simd_level(level);
        const int exponent = static_cast<int>(random() % 2000) - 1080;
        for (const GroupPairs::Units& units :
             {GroupPairs::Units{ExactUnit::choose(x), ExactUnit::choose(y)}, GroupPairs::Units{ExactUnit(exponent), ExactUnit()}}) {
          GroupPairs pairs(units);
          pairs.resize(1);
          pairs.add(groups.data(), {x.data(), y.data()}, nullptr, 0, static_cast<int64_t>(x.size()));
          check_pairs(pairs, sums, inputs::name(shape, seed) + std::string(base::simd_level_name(level)));
          GroupVariances variances({units[0]});
          variances.resize(1);
          variances.add(groups.data(), {x.data()}, nullptr, 0, static_cast<int64_t>(x.size()));
          ASSERT_EQ(variances.variance(0, 1), pairs.variance(0, 1));
          ASSERT_EQ(variances.stddev(0, 0), pairs.stddev(0, 0));
          ASSERT_EQ(variances.mean(0, 0), pairs.mean(0, 0));
        }
      }
      base::force_simd_level(base::best_simd_level());
    }
  }
}

TEST(GroupMoments, SplitsMergesAndSpillsChangeNothing) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    for (const Shape shape : kShapes) {
      std::mt19937_64 random(seed);
      const size_t n = 1 + random() % 1500;
      const uint32_t group_count = 1 + static_cast<uint32_t>(random() % 9);
      const std::vector<double> x = inputs::values(shape, n, random), y = inputs::values(kShapes[random() % 9], n, random);
      const int64_t offset = static_cast<int64_t>(random() % 30);
      std::vector<uint8_t> validity((n + offset + 7) / 8);
      for (uint8_t& b : validity) b = static_cast<uint8_t>(random() | random());
      std::vector<uint32_t> groups(n);
      for (uint32_t& g : groups) g = static_cast<uint32_t>(random() % group_count);
      GroupPairs whole({ExactUnit::choose(x), ExactUnit::choose(y)});
      whole.resize(group_count);
      whole.add(groups.data(), {x.data(), y.data()}, validity.data(), offset, static_cast<int64_t>(n));

      std::vector<GroupPairs> parts;
      for (int p = 0; p < 4; ++p) {
        const int exponent = static_cast<int>(random() % 2000) - 1080;
        parts.emplace_back(p < 2 ? whole.units() : GroupPairs::Units{ExactUnit(exponent), ExactUnit(-exponent)});
        parts.back().resize(group_count);
      }
      for (size_t i = 0; i < n; ++i) {
        if ((validity[(i + offset) / 8] >> ((i + offset) % 8) & 1) != 0) parts[random() % 4].add_one(groups[i], {x[i], y[i]});
      }
      GroupPairs merged(parts[random() % 4].units());
      merged.resize(group_count);
      std::vector<uint8_t> spilled;
      for (uint32_t g = 0; g < group_count; ++g) parts[2].append_bytes(g, &spilled);
      std::span<const uint8_t> in(spilled);
      for (uint32_t g = 0; g < group_count; ++g) {
        merged.merge_group(g, parts[3], g);
        ASSERT_TRUE(merged.read_into(g, &in));
        merged.merge_group(g, parts[0], g);
        merged.merge_group(g, parts[1], g);
        std::vector<uint8_t> one, other;
        whole.append_bytes(g, &one);
        merged.append_bytes(g, &other);
        ASSERT_EQ(one, other) << inputs::name(shape, seed) << " group " << g;  // canonical: everything else follows
        if (whole.count(g) > 1) {
          ASSERT_EQ(to_bits(*whole.variance(g, 1)), to_bits(*merged.variance(g, 1)));
          ASSERT_EQ(to_bits(*whole.correlation(g)), to_bits(*merged.correlation(g)));
        }
      }
      ASSERT_TRUE(in.empty());
    }
  }
}

TEST(GroupMoments, CancellationCostsNoDigits) {
  GroupVariances v;
  v.resize(1);
  for (const double x : {1e15 + 4, 1e15 + 7, 1e15 + 13, 1e15 + 16}) v.add_one(0, {x});
  EXPECT_EQ(v.variance(0, 1), 30.0);
  EXPECT_EQ(v.variance(0, 0), 22.5);
  EXPECT_EQ(v.mean(0, 0), 1e15 + 10);
}

TEST(GroupMoments, RollingVariancesReturnToZero) {
  for (const Shape shape : kShapes) {
    std::mt19937_64 random(4);
    std::vector<double> x = inputs::values(shape, 100, random);
    x[50] = kNan;
    GroupVariances v({ExactUnit::choose(std::span(x).first(20))});
    v.resize(1);
    for (const double value : x) v.add_one(0, {value});
    EXPECT_TRUE(std::isnan(*v.variance(0, 1)));
    for (const double value : x) v.subtract_one(0, {value});
    EXPECT_EQ(v.variance(0, 1), std::nullopt);
    v.add_one(0, {2.0});
    v.add_one(0, {4.0});
    EXPECT_EQ(v.variance(0, 1), 2.0);
    EXPECT_EQ(v.stddev(0, 0), 1.0);
  }
}

TEST(GroupMoments, StatesThatFillUpMoveOn) {
  const ExactUnit unit(0);
  const double x = std::ldexp(1.5, 52 + 63);
  for (const base::SimdLevel level : base::available_simd_levels()) {
    base::force_simd_level(level);
    GroupPairs pairs({unit, unit});
    pairs.resize(2);
    std::vector<double> xs(50000), ys(50000);
    for (size_t i = 0; i < xs.size(); ++i) {
      xs[i] = i % 2 == 0 ? x : x / 2;
      ys[i] = -xs[i];
    }
    const std::vector<uint32_t> groups(xs.size(), 1);
    pairs.add(groups.data(), {xs.data(), ys.data()}, nullptr, 0, 50000);
    EXPECT_EQ(pairs.correlation(1), -1.0);
    EXPECT_EQ(pairs.stddev(1, 0), x / 4);
    EXPECT_EQ(pairs.covariance(1, 0, 1, 0), -(x / 4) * (x / 4));
    EXPECT_EQ(pairs.slope(1), -1.0);
    EXPECT_EQ(to_bits(*pairs.intercept(1)), 0u);
    EXPECT_EQ(pairs.count(0), 0);
  }
  base::force_simd_level(base::best_simd_level());
}

TEST(GroupMoments, MoveToBetterUnitsWhenTheFirstBatchMisled) {
  std::mt19937_64 random(6);
  std::vector<double> x(3000), y(3000);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = (i < 1000 ? 1e-100 : 1e100) * static_cast<double>(random() % 1000);
    y[i] = static_cast<double>(random() % 1000);
  }
  std::vector<uint32_t> groups(x.size());
  for (size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<uint32_t>(i % 50);
  GroupPairs led({ExactUnit::choose(std::span(x).first(1000)), ExactUnit::choose(y)}), single(led.units());
  led.resize(50);
  single.resize(50);
  const GroupPairs::Units before = led.units();
  led.add(groups.data(), {x.data(), y.data()}, nullptr, 0, 3000);
  EXPECT_NE(led.units()[0], before[0]);
  EXPECT_EQ(led.units()[1], before[1]);
  for (size_t i = 0; i < x.size(); ++i) single.add_one(groups[i], {x[i], y[i]});
  for (uint32_t g = 0; g < 50; ++g) {
    std::vector<uint8_t> one, other;
    led.append_bytes(g, &one);
    single.append_bytes(g, &other);
    ASSERT_EQ(one, other);
  }
}

TEST(GroupMoments, TooFewRowsGiveNothing) {
  GroupPairs p;
  p.resize(1);
  EXPECT_EQ(p.variance(0, 0), std::nullopt);
  EXPECT_EQ(p.mean(0, 0), std::nullopt);
  EXPECT_EQ(p.correlation(0), std::nullopt);
  p.add_one(0, {3, 4});
  EXPECT_EQ(p.variance(0, 0), 0.0);
  EXPECT_EQ(p.variance(0, 1), std::nullopt);
  EXPECT_TRUE(std::isnan(*p.correlation(0)));
}

TEST(GroupMoments, InfinitiesAndNanGiveNan) {
  for (const base::SimdLevel level : base::available_simd_levels()) {
    base::force_simd_level(level);
    for (const double special : {kInf, -kInf, kNan}) {
      const std::vector<double> x = {1, special, 3}, y = {4, 5, 7};
      const std::vector<uint32_t> groups = {0, 0, 0};
      GroupPairs p;
      p.resize(1);
      p.add(groups.data(), {x.data(), y.data()}, nullptr, 0, 3);
      EXPECT_TRUE(std::isnan(*p.variance(0, 1)));
      EXPECT_TRUE(std::isnan(*p.stddev(0, 1)));
      EXPECT_TRUE(std::isnan(*p.correlation(0)));
      EXPECT_EQ(p.covariance(0, 1, 1, 0), 14.0 / 9);  // the other variable is untouched
      EXPECT_TRUE(std::isnan(special) ? std::isnan(*p.mean(0, 0)) : p.mean(0, 0) == special);
    }
  }
  base::force_simd_level(base::best_simd_level());
}

TEST(GroupMoments, DeviationsOfTheLargestAndSmallestNumbers) {
  const double largest = std::numeric_limits<double>::max(), smallest = std::numeric_limits<double>::denorm_min();
  GroupVariances v;
  v.resize(2);
  for (const double x : {largest, -largest}) v.add_one(0, {x});
  EXPECT_EQ(v.variance(0, 0), kInf);
  EXPECT_EQ(v.stddev(0, 0), largest);  // the root of what the variance could not hold
  for (const double x : {2 * smallest, 0.0}) v.add_one(1, {x});
  EXPECT_EQ(v.variance(1, 0), 0.0);
  EXPECT_EQ(v.stddev(1, 0), smallest);
}

}  // namespace
}  // namespace gristmill::column
