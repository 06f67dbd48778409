// Running sums: every difference of two against the sum of those rows added long-hand, at every SIMD level.

#include "column/exact_running.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/cpu.h"
#include "column/simd/exact_kernels.h"
#include "random_columns.h"

namespace gristmill::column {
namespace {

using testing::pool;

uint64_t bits(double v) {
  uint64_t b;
  std::memcpy(&b, &v, sizeof b);
  return b;
}

double by_hand(const std::vector<double>& x, const std::vector<bool>& valid, int64_t low, int64_t high, double start) {
  WideSum s;
  if (low < 0) s.add(start);
  for (int64_t i = std::max<int64_t>(low, 0); i < high; ++i) {
    if (valid[static_cast<size_t>(i)]) s.add(x[static_cast<size_t>(i)]);
  }
  return s.value();
}

class EachLevel : public ::testing::Test {
 protected:
  ~EachLevel() override { base::force_simd_level(base::best_simd_level()); }
};

TEST_F(EachLevel, DifferencesAreTheSumsOfTheirRows) {
  std::mt19937_64 random(11);
  for (const base::SimdLevel level : base::available_simd_levels()) {
    base::force_simd_level(level);
    for (int round = 0; round < 60; ++round) {
      SCOPED_TRACE("round " + std::to_string(round));
      const auto n = static_cast<int64_t>(random() % 1500);
      const int spread = static_cast<int>(random() % 50), scale = static_cast<int>(random() % 600) - 300;
      std::vector<double> x;
      std::vector<bool> valid;
      std::vector<uint8_t> bitmap(static_cast<size_t>(n / 8 + 2), 0);
      const bool nulls = random() % 2 == 0;
      for (int64_t i = 0; i < n; ++i) {
        const double m = std::copysign(1 + static_cast<double>(random() >> 11) * 0x1p-53, random() % 2 == 0 ? 1.0 : -1.0);
        x.push_back(random() % 16 == 0 ? 0.0 : std::ldexp(m, scale - (spread > 0 ? static_cast<int>(random() % static_cast<uint64_t>(spread)) : 0)));
        valid.push_back(!nulls || random() % 4 != 0);
        if (valid.back()) bitmap[static_cast<size_t>((i + 3) >> 3)] |= static_cast<uint8_t>(1u << ((i + 3) & 7));
      }
      const double start = std::ldexp(1.25, scale);
      std::vector<double> sample = x;
      sample.push_back(start);
      const ExactUnit unit = ExactUnit::choose(sample);
      ExactSum before;
      ASSERT_TRUE(unit.add(before, start));
      RunningSums sums;
      const arrow::Result<bool> made = sums.make(x.data(), nulls ? bitmap.data() : nullptr, 3, n, unit, before, pool());
      ASSERT_TRUE(made.ok() && *made);
      constexpr int kMost = RunningSums::kBlock;
      double out[kMost];
      for (int k = 0; k < 5; ++k) {
        const auto high = static_cast<int64_t>(random() % static_cast<uint64_t>(n + 1));
        const auto low = static_cast<int64_t>(random() % static_cast<uint64_t>(high + 1));
        const auto rows = static_cast<int>(std::min<int64_t>(n - high + 1, 1 + static_cast<int64_t>(random() % kMost)));
        sums.round(low, high, rows, out);
        for (int i = 0; i < rows; ++i) ASSERT_EQ(bits(out[i]), bits(by_hand(x, valid, low + i, high + i, 0))) << low << " " << high << " " << i;
        sums.round_from_start(high, rows, out);
        for (int i = 0; i < rows; ++i) ASSERT_EQ(bits(out[i]), bits(by_hand(x, valid, -1, high + i, start))) << high << " " << i;
        int64_t lows[kMost], highs[kMost];
        for (int i = 0; i < rows; ++i) {
          highs[i] = static_cast<int64_t>(random() % static_cast<uint64_t>(n + 1));
          lows[i] = static_cast<int64_t>(random() % static_cast<uint64_t>(highs[i] + 2)) - 1;
        }
        sums.round_each(lows, highs, rows, out);
        for (int i = 0; i < rows; ++i) ASSERT_EQ(bits(out[i]), bits(by_hand(x, valid, lows[i], highs[i], start))) << i;
      }
    }
  }
}

TEST_F(EachLevel, RoundingIsToNearestTiesToEven) {
  for (const base::SimdLevel level : base::available_simd_levels()) {
    base::force_simd_level(level);
    // 2^53 and small parts of what its last bit weighs: below, at and above the middle, for even and odd last bits.
    const std::vector<double> x = {0x1p53, 1, -1, 0x1p-10, -0x1p-10, 2, 1, 0x1p-10, -0x1p53, -1, -0x1p-10, -2};
    const std::vector<bool> valid(x.size(), true);
    RunningSums sums;
    const auto made = sums.make(x.data(), nullptr, 0, static_cast<int64_t>(x.size()), ExactUnit::choose(x), ExactSum(), pool());
    ASSERT_TRUE(made.ok() && *made);
    for (int64_t low = 0; low < 12; ++low) {
      for (int64_t high = low; high <= 12; ++high) {
        double out = -1;
        sums.round(low, high, 1, &out);
        EXPECT_EQ(bits(out), bits(by_hand(x, valid, low, high, 0))) << low << " " << high;
      }
    }
  }
}

TEST_F(EachLevel, WhatDoesNotFitIsNotTaken) {
  const auto made = [](std::vector<double> x, ExactUnit unit, __int128 before = 0) {
    RunningSums sums;
    const auto r = sums.make(x.data(), nullptr, 0, static_cast<int64_t>(x.size()), unit, ExactSum{before}, pool());
    return r.ok() && *r;
  };
  const double inf = std::numeric_limits<double>::infinity();
  for (const base::SimdLevel level : base::available_simd_levels()) {
    base::force_simd_level(level);
    EXPECT_TRUE(made({1, 2, 3}, ExactUnit(-60)));
    EXPECT_FALSE(made({1, inf}, ExactUnit(-60)));
    EXPECT_FALSE(made({std::nan(""), 1}, ExactUnit(-60)));
    EXPECT_FALSE(made({1, 0x1p200}, ExactUnit(-60)));
    EXPECT_FALSE(made({1}, ExactUnit(kLeastRounded - 1)));
    EXPECT_FALSE(made({0x1p1000}, ExactUnit(kMostRounded + 1)));
    EXPECT_FALSE(made({1}, ExactUnit(-60), __int128{1} << 126));
    EXPECT_FALSE(made(std::vector<double>(1 << 11, 0x1.8p115), ExactUnit(0)));  // 2^127 together
  }
}

}  // namespace
}  // namespace gristmill::column
