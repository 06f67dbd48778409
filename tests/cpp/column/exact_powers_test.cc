// Skewness and kurtosis against long-hand rationals, at every unit, split and way through bytes.

#include "column/exact_powers.h"

#include <gtest/gtest.h>

#include <limits>

#include "exact_inputs.h"
#include "exact_reference.h"

namespace gristmill::column {
namespace {

using inputs::kShapes;
using inputs::Shape;
using inputs::to_bits;
using reference::is_rounded;
using reference::Number;

struct Sums {
  int64_t n = 0;
  Number power[4];

  void add(double x) {
    const Number v = reference::of(x);
    ++n;
    Number p = v;
    for (Number& sum : power) {
      sum = reference::add(sum, p);
      p = reference::multiply(p, v);
    }
  }
};

Number times(const Number& a, const Number& b) { return reference::multiply(a, b); }
Number times(int64_t a, const Number& b) { return reference::multiply(reference::integer(a), b); }

void check(const GroupPowers& powers, const Sums& s, const std::string& name) {
  ASSERT_EQ(powers.count(0), s.n) << name;
  const int64_t n = s.n;
  const Number &s1 = s.power[0], &s2 = s.power[1], &s3 = s.power[2], &s4 = s.power[3], s11 = times(s1, s1);
  const Number b = reference::subtract(times(n, s2), s11);
  if (reference::sign(b) == 0) {
    ASSERT_TRUE(std::isnan(*powers.skewness(0, false))) << name;
    ASSERT_TRUE(std::isnan(*powers.kurtosis(0, false, false))) << name;
    return;
  }
  const Number a = reference::add(reference::subtract(times(n, times(n, s3)), times(3, times(n, times(s1, s2)))), times(2, times(s1, s11)));
  const Number aa = times(a, a), bb = times(b, b), bbb = times(b, bb);
  const bool down = reference::sign(a) < 0;
  ASSERT_TRUE(is_rounded(*powers.skewness(0, false), aa, bbb, true, down)) << name;
  if (n >= 3) {
    ASSERT_TRUE(is_rounded(*powers.skewness(0, true), times(n, times(n - 1, aa)), times(n - 2, times(n - 2, bbb)), true, down)) << name;
  }
  Number c = reference::add(times(n, times(n, times(n, s4))), times(6, times(n, times(s11, s2))));
  c = reference::subtract(c, reference::add(times(4, times(n, times(n, times(s1, s3)))), times(3, times(s11, s11))));
  const Number excess = reference::subtract(c, times(3, bb));
  ASSERT_TRUE(is_rounded(*powers.kurtosis(0, false, false), excess, bb)) << name;
  ASSERT_TRUE(is_rounded(*powers.kurtosis(0, true, false), c, bb)) << name;
  if (n < 4) return;
  const Number above = times(n - 1, reference::add(times(n + 1, excess), times(6, bb))), below = times(n - 2, times(n - 3, bb));
  ASSERT_TRUE(is_rounded(*powers.kurtosis(0, false, true), above, below)) << name;
  ASSERT_TRUE(is_rounded(*powers.kurtosis(0, true, true), reference::add(above, times(3, below)), below)) << name;
}

TEST(GroupPowers, AreTheExactRationalsRoundedOnceInAnyUnitAndSplit) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    for (const Shape shape : kShapes) {
      std::mt19937_64 random(seed);
      const std::vector<double> x = inputs::values(shape, 1 + random() % 60, random);
      if (std::any_of(x.begin(), x.end(), [](double v) { return !std::isfinite(v); })) continue;
      Sums sums;
      for (const double v : x) sums.add(v);
      const std::string name = inputs::name(shape, seed);
      const int exponent = static_cast<int>(random() % 2000) - 1080;
      for (const GroupPowers::Units& units : {GroupPowers::Units{ExactUnit::choose(x)}, GroupPowers::Units{ExactUnit(exponent)}}) {
        GroupPowers whole(units);
        whole.resize(1);
        for (const double v : x) whole.add_one(0, v);
        check(whole, sums, name);
        GroupPowers parts(units), others(GroupPowers::Units{ExactUnit(exponent / 2)});
        parts.resize(3);
        others.resize(1);
        for (size_t i = 0; i < x.size(); ++i) i % 3 == 2 ? others.add_one(0, x[i]) : parts.add_one(1 + i % 3, x[i]);
        parts.merge_group(0, parts, 1);
        parts.merge_group(0, parts, 2);
        parts.merge_group(0, others, 0);
        check(parts, sums, name + " merged");
        std::vector<uint8_t> a, b;
        whole.append_bytes(0, &a);
        parts.append_bytes(0, &b);
        ASSERT_EQ(a, b) << name;
        GroupPowers read{GroupPowers::Units{ExactUnit(exponent / 3)}};
        read.resize(1);
        std::span<const uint8_t> in(a);
        ASSERT_TRUE(read.read_into(0, &in));
        ASSERT_TRUE(in.empty());
        check(read, sums, name + " read back");
      }
    }
  }
}

TEST(GroupPowers, AStateThatIsFullGoesOnInItsWideSums) {
  GroupPowers powers{GroupPowers::Units{ExactUnit(0)}};  // 2^116 at most: its first power overflows after 2^11 of them
  powers.resize(1);
  Sums sums;
  for (int i = 0; i < 6000; ++i) {
    const double v = std::ldexp(1.0 + i / 8192.0, 115);
    powers.add_one(0, v);
    sums.add(v);
  }
  check(powers, sums, "full");
  EXPECT_GT(powers.bytes(), 0);
}

TEST(GroupPowers, TheWidestValuesThereAre) {
  GroupPowers powers;
  powers.resize(1);
  Sums sums;
  for (const double v : {std::numeric_limits<double>::max(), -std::numeric_limits<double>::max(), std::numeric_limits<double>::denorm_min(),
                         -1.5, std::numeric_limits<double>::max() / 3, std::numeric_limits<double>::min()}) {
    powers.add_one(0, v);
    sums.add(v);
  }
  check(powers, sums, "widest");
  std::vector<uint8_t> bytes;
  powers.append_bytes(0, &bytes);
  GroupPowers read;
  read.resize(1);
  std::span<const uint8_t> in(bytes);
  ASSERT_TRUE(read.read_into(0, &in));
  check(read, sums, "widest, read back");
}

TEST(GroupPowers, NothingFewAndOddValues) {
  GroupPowers powers;
  powers.resize(4);
  EXPECT_EQ(powers.skewness(0, false), std::nullopt);
  EXPECT_EQ(powers.kurtosis(0, false, false), std::nullopt);
  powers.add_one(1, 2.5);
  powers.add_one(1, 7.5);
  EXPECT_EQ(powers.skewness(1, false), 0.0);
  EXPECT_EQ(powers.skewness(1, true), std::nullopt);
  EXPECT_EQ(powers.kurtosis(1, true, false), 1.0);
  EXPECT_EQ(powers.kurtosis(1, false, true), std::nullopt);
  for (const double v : {1.0, 2.0, std::numeric_limits<double>::infinity(), 4.0}) powers.add_one(2, v);
  EXPECT_TRUE(std::isnan(*powers.skewness(2, true)));
  EXPECT_TRUE(std::isnan(*powers.kurtosis(2, false, true)));
  for (const double v : {0.0, -0.0, std::nan(""), 4.0}) powers.add_one(3, v);
  EXPECT_TRUE(std::isnan(*powers.skewness(3, false)));
}

}  // namespace
}  // namespace gristmill::column
