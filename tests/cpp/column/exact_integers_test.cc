// Integer and decimal sums: exact at every level, overflow judged by the total alone.

#include "column/exact_integers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/cpu.h"
#include "exact_reference.h"

namespace gristmill::column {
namespace {

template <class Int>
std::vector<Int> draw(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Int> x(n);
  for (Int& v : x)
    v = random() % 5 == 0 ? std::numeric_limits<Int>::max() : random() % 5 == 0 ? std::numeric_limits<Int>::min() : Int(random());
  return x;
}

template <class Int>
void check_sums() {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    const std::vector<Int> x = draw<Int>(random() % 3000, seed);
    const int64_t n = static_cast<int64_t>(x.size()), offset = static_cast<int64_t>(random() % 20);
    std::vector<uint8_t> validity((n + offset + 7) / 8);
    for (uint8_t& b : validity) b = static_cast<uint8_t>(random());
    std::vector<uint32_t> groups(x.size());
    for (uint32_t& g : groups) g = static_cast<uint32_t>(random() % 7);
    __int128 all = 0, valid = 0;
    std::vector<__int128> expected(7, 0), expected_valid(7, 0);
    for (int64_t i = 0; i < n; ++i) {
      all += x[i];
      expected[groups[i]] += x[i];
      if ((validity[(i + offset) / 8] >> ((i + offset) % 8) & 1) == 0) continue;
      valid += x[i];
      expected_valid[groups[i]] += x[i];
    }
    for (const base::SimdLevel level : base::available_simd_levels()) {
      base::force_simd_level(level);
      ASSERT_TRUE(sum_integers(x.data(), nullptr, 0, n) == all) << "seed " << seed;
      ASSERT_TRUE(sum_integers(x.data(), validity.data(), offset, n) == valid) << "seed " << seed;
    }
    base::force_simd_level(base::best_simd_level());
    std::vector<__int128> sums(7, 0), sums_valid(7, 0);
    add_grouped_integers(sums.data(), groups.data(), x.data(), nullptr, 0, n);
    add_grouped_integers(sums_valid.data(), groups.data(), x.data(), validity.data(), offset, n);
    ASSERT_TRUE(sums == expected && sums_valid == expected_valid) << "seed " << seed;
  }
}

TEST(IntegerSums, AreExactForEveryWidth) {
  check_sums<int64_t>();
  check_sums<int32_t>();
  check_sums<int16_t>();
  check_sums<int8_t>();
  check_sums<uint64_t>();
  check_sums<uint32_t>();
  check_sums<uint16_t>();
  check_sums<uint8_t>();
}

TEST(IntegerSums, OverflowIsJudgedAtTheEnd) {
  const int64_t top = std::numeric_limits<int64_t>::max(), bottom = std::numeric_limits<int64_t>::min();
  const std::vector<int64_t> fits = {top, top, 1, bottom, bottom}, too_large = {top, 1}, too_small = {bottom, -1};
  EXPECT_EQ(as_int64(sum_integers(fits.data(), nullptr, 0, 5)), -1);
  EXPECT_EQ(as_int64(sum_integers(too_large.data(), nullptr, 0, 2)), std::nullopt);
  EXPECT_EQ(as_int64(sum_integers(too_small.data(), nullptr, 0, 2)), std::nullopt);
  EXPECT_EQ(as_uint64(sum_integers(too_large.data(), nullptr, 0, 2)), uint64_t{1} << 63);
  EXPECT_EQ(as_uint64(-1), std::nullopt);
  EXPECT_EQ(as_uint64(static_cast<__int128>(1) << 64), std::nullopt);
}

TEST(DecimalSum, HoldsWhatLeavesTheRangeAndComesBack) {
  __int128 largest = 1;
  for (int i = 0; i < 38; ++i) largest *= 10;
  largest -= 1;
  std::mt19937_64 random(1);
  std::vector<__int128> x;
  for (int i = 0; i < 100; ++i) x.insert(x.end(), {largest, -largest});
  x.push_back(42);
  x.push_back(-static_cast<__int128>(random()) << 50);
  DecimalSum expected;
  for (const __int128 v : x) expected.add(v);
  std::shuffle(x.begin(), x.end(), random);
  std::vector<uint8_t> bytes(16 * x.size());
  std::memcpy(bytes.data(), x.data(), bytes.size());
  DecimalSum sum, left, right;
  add_decimals(sum, bytes.data(), nullptr, 0, static_cast<int64_t>(x.size()));
  ASSERT_TRUE(sum.value().has_value());
  EXPECT_TRUE(*sum.value() == *expected.value());
  std::sort(x.begin(), x.end());  // all negative ones first: far beyond 128 bits on the way
  for (size_t i = 0; i < x.size(); ++i) (i < 60 ? left : right).add(x[i]);
  EXPECT_EQ(left.value(), std::nullopt);
  left.merge(right);
  EXPECT_TRUE(*left.value() == *expected.value());
  left.add(largest);
  left.add(largest);
  EXPECT_EQ(left.value(), std::nullopt);
  left.subtract(largest);
  left.subtract(largest);
  EXPECT_TRUE(*left.value() == *expected.value());
  std::vector<DecimalSum> groups(2);
  const std::vector<uint32_t> ids(x.size(), 1);
  const std::vector<uint8_t> validity(x.size() / 8 + 1, 0xff);
  add_grouped_decimals(groups.data(), ids.data(), bytes.data(), validity.data(), 0, static_cast<int64_t>(x.size()));
  EXPECT_TRUE(*groups[1].value() == *expected.value());
  EXPECT_TRUE(*groups[0].value() == 0);
}

TEST(DecimalSum, StopsAtThePrecisionOfTheResult) {
  DecimalSum sum;
  sum.add(999);
  EXPECT_TRUE(sum.value(3).has_value());
  sum.add(1);
  EXPECT_EQ(sum.value(3), std::nullopt);
  EXPECT_TRUE(as_decimal(-999, 3).has_value());
  EXPECT_EQ(as_decimal(-1000, 3), std::nullopt);
}

TEST(DecimalSum, AveragesRoundOnce) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 500; ++i) {
    const int64_t v = static_cast<int64_t>(random());
    const int scale = static_cast<int>(random() % 19) - 4;
    const int64_t n = 1 + static_cast<int64_t>(random() % 1000000);
    DecimalSum sum;
    sum.add(v);
    int64_t power = 1;
    for (int k = 0; k < std::abs(scale); ++k) power *= 10;
    reference::Number above = reference::integer(v), below = reference::integer(n);
    (scale < 0 ? above : below) = reference::multiply(scale < 0 ? above : below, reference::integer(power));
    ASSERT_TRUE(reference::is_rounded(sum.value_over(n, scale), above, below)) << v << " scale " << scale << " n " << n;
  }
}

}  // namespace
}  // namespace gristmill::column
