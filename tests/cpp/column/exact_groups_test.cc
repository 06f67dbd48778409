// Sums of many groups: any split into workers, any merge order, any unit, through bytes and back, give the same bits.

#include "column/exact_groups.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/cpu.h"
#include "exact_inputs.h"

namespace gristmill::column {
namespace {

using inputs::kShapes;
using inputs::Shape;
using inputs::to_bits;

constexpr double kInf = std::numeric_limits<double>::infinity();

struct Rows {
  std::vector<uint32_t> groups;
  std::vector<double> x;
  std::vector<uint8_t> validity;
  int64_t offset = 0;
  uint32_t group_count = 0;

  bool valid(size_t i) const { return (validity[(i + offset) / 8] >> ((i + offset) % 8) & 1) != 0; }
};

Rows draw_rows(Shape shape, uint64_t seed) {
  std::mt19937_64 random(seed);
  Rows rows;
  rows.group_count = 1 + static_cast<uint32_t>(random() % 40);
  rows.x = inputs::values(shape, 1 + random() % 4000, random);
  rows.offset = static_cast<int64_t>(random() % 20);
  rows.validity.resize((rows.x.size() + rows.offset + 7) / 8);
  for (uint8_t& b : rows.validity) b = static_cast<uint8_t>(random() | random());
  for (size_t i = 0; i < rows.x.size(); ++i) rows.groups.push_back(static_cast<uint32_t>(random() % rows.group_count));
  for (int i = 0; i < 3 && seed % 4 == 0; ++i) rows.x[random() % rows.x.size()] = i == 2 ? -kInf : kInf;
  return rows;
}

std::vector<WideSum> expected_sums(const Rows& rows) {
  std::vector<WideSum> sums(rows.group_count);
  for (size_t i = 0; i < rows.x.size(); ++i) {
    if (rows.valid(i)) sums[rows.groups[i]].add(rows.x[i]);
  }
  return sums;
}

void expect_values(const GroupSums& sums, const std::vector<WideSum>& expected, const std::string& name) {
  for (uint32_t g = 0; g < expected.size(); ++g) {
    const double value = expected[g].value(), got = sums.value(g);
    ASSERT_TRUE(std::isnan(value) ? std::isnan(got) : to_bits(got) == to_bits(value))
        << name << " group " << g << " " << got << " " << value;
  }
}

TEST(GroupSums, EveryLevelGivesTheExactSums) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    for (const Shape shape : kShapes) {
      const Rows rows = draw_rows(shape, seed);
      const std::vector<WideSum> expected = expected_sums(rows);
      for (const base::SimdLevel level : base::available_simd_levels()) {
        base::force_simd_level(level);
        GroupSums sums(ExactUnit::choose(rows.x));
        sums.resize(rows.group_count);
        sums.add(rows.groups.data(), rows.x.data(), rows.validity.data(), rows.offset, static_cast<int64_t>(rows.x.size()));
        expect_values(sums, expected, inputs::name(shape, seed) + std::string(base::simd_level_name(level)));
      }
      base::force_simd_level(base::best_simd_level());
    }
  }
}

TEST(GroupSums, SplitsMergesAndSpillsChangeNothing) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    for (const Shape shape : kShapes) {
      const Rows rows = draw_rows(shape, seed);
      const std::vector<WideSum> expected = expected_sums(rows);
      std::mt19937_64 random(seed);
      std::vector<GroupSums> parts;
      for (int p = 0; p < 4; ++p) {
        parts.emplace_back(p < 2 ? ExactUnit::choose(rows.x) : ExactUnit(static_cast<int>(random() % 2000) - 1080));
        parts.back().resize(rows.group_count);
      }
      for (size_t i = 0; i < rows.x.size(); ++i) {
        if (rows.valid(i)) parts[random() % 4].add_one(rows.groups[i], rows.x[i]);
      }
      GroupSums whole(parts[random() % 4].unit());
      whole.resize(rows.group_count);
      std::vector<uint8_t> spilled;
      for (uint32_t g = 0; g < rows.group_count; ++g) parts[3].append_bytes(g, &spilled);
      std::span<const uint8_t> in(spilled);
      for (uint32_t g = 0; g < rows.group_count; ++g) {
        whole.merge_group(g, parts[1], g);
        ASSERT_TRUE(whole.read_into(g, &in));
        whole.merge_group(g, parts[0], g);
        whole.merge_group(g, parts[2], g);
      }
      ASSERT_TRUE(in.empty());
      expect_values(whole, expected, inputs::name(shape, seed));
    }
  }
}

TEST(GroupSums, EqualSumsHaveEqualBytesWhateverTheUnit) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    for (const Shape shape : kShapes) {
      std::mt19937_64 random(seed);
      std::vector<double> x = inputs::values(shape, 100, random);
      std::vector<uint8_t> first;
      for (int trial = 0; trial < 20; ++trial) {
        GroupSums sums(ExactUnit(static_cast<int>(random() % 2000) - 1080));
        sums.resize(1);
        std::shuffle(x.begin(), x.end(), random);
        for (const double v : x) sums.add_one(0, v);
        std::vector<uint8_t> bytes;
        sums.append_bytes(0, &bytes);
        if (trial == 0) first = bytes;
        ASSERT_EQ(bytes, first) << inputs::name(shape, seed) << " unit " << sums.unit().exponent();
        GroupSums back;
        back.resize(1);
        std::span<const uint8_t> in(bytes);
        ASSERT_TRUE(back.read_into(0, &in));
        ASSERT_EQ(to_bits(back.value(0)), to_bits(sums.value(0)));
      }
    }
  }
}

TEST(GroupSums, RollingSumsDoNotDrift) {
  std::mt19937_64 random(5);
  std::vector<double> x = inputs::values(Shape::kAnyFinite, 500, random);
  x[100] = kInf;
  x[200] = std::numeric_limits<double>::quiet_NaN();
  for (const int exponent : {-1074, -83, 0, 900}) {
    GroupSums sums((ExactUnit(exponent)));
    sums.resize(1);
    for (size_t i = 0; i < x.size(); ++i) {
      sums.add_one(0, x[i]);
      if (i >= 10) sums.subtract_one(0, x[i - 10]);
      WideSum window;
      for (size_t k = i >= 9 ? i - 9 : 0; k <= i; ++k) window.add(x[k]);
      const double expected = window.value(), got = sums.value(0);
      ASSERT_TRUE(std::isnan(expected) ? std::isnan(got) : to_bits(got) == to_bits(expected)) << i;
    }
  }
}

TEST(GroupSums, ARunIsTheSameAsItsRows) {
  for (const Shape shape : kShapes) {
    std::mt19937_64 random(9);
    const std::vector<double> x = inputs::values(shape, 3000, random);
    GroupSums run(ExactUnit::choose(std::span(x).first(10))), rows(run.unit());
    run.resize(3);
    rows.resize(3);
    run.add_run(1, x.data(), nullptr, 0, 3000);
    for (const double v : x) rows.add_one(1, v);
    EXPECT_EQ(to_bits(run.value(1)), to_bits(rows.value(1)));
    EXPECT_EQ(to_bits(run.value_over(1, 3000)), to_bits(rows.value_over(1, 3000)));
    EXPECT_EQ(run.value(0), 0);
    run.clear_group(1);
    EXPECT_EQ(run.value(1), 0);
  }
}

TEST(GroupSums, FloatsAddAsTheDoublesTheyAre) {
  const std::vector<float> x = {0.1f, 3e38f, -1e-40f, 0.1f};
  const std::vector<uint32_t> groups = {0, 1, 1, 0};
  GroupSums sums;
  sums.resize(2);
  sums.add(groups.data(), x.data(), nullptr, 0, 4);
  EXPECT_EQ(sums.value(0), 2 * static_cast<double>(0.1f));
  EXPECT_EQ(sums.value(1), static_cast<double>(3e38f));
}

TEST(GroupSums, OnlyGroupsWithStrayValuesHoldWideSums) {
  GroupSums sums(ExactUnit(-83));
  sums.resize(1000);
  const int64_t before = sums.bytes();
  for (uint32_t g = 0; g < 1000; ++g) sums.add_one(g, 1.1 * g);
  EXPECT_EQ(sums.bytes(), before);
  sums.add_one(5, 1e-200);
  EXPECT_GT(sums.bytes(), before);
  EXPECT_LT(sums.bytes(), before + 300);
  sums.clear_group(5);
  EXPECT_EQ(sums.bytes(), before);
}

TEST(GroupSums, MoveToABetterUnitWhenTheFirstBatchMisled) {
  std::mt19937_64 random(6);
  std::vector<double> first(1000), later(5000);
  for (double& v : first) v = 1e-200 * static_cast<double>(random() % 1000);
  for (double& v : later) v = 1e12 + static_cast<double>(random() % 1000) / 7;
  std::vector<uint32_t> groups(later.size());
  for (size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<uint32_t>(i % 500);
  GroupSums led((ExactUnit::choose(first))), clean((ExactUnit::choose(later))), run(led.unit());
  for (GroupSums* sums : {&led, &clean, &run}) sums->resize(501);
  const ExactUnit before = led.unit();
  led.add(groups.data(), later.data(), nullptr, 0, 5000);
  clean.add(groups.data(), later.data(), nullptr, 0, 5000);
  run.add_run(3, later.data(), nullptr, 0, 5000);
  EXPECT_NE(led.unit(), before);
  EXPECT_NE(run.unit(), before);
  EXPECT_EQ(led.bytes(), clean.bytes());  // no group is left with a wide sum
  led.add_one(500, 1e-200);
  led.add(groups.data(), first.data(), nullptr, 0, 1000);
  std::vector<WideSum> expected(501);
  for (size_t i = 0; i < later.size(); ++i) expected[groups[i]].add(later[i]);
  for (size_t i = 0; i < first.size(); ++i) expected[groups[i]].add(first[i]);
  expected[500].add(1e-200);
  expect_values(led, expected, "moved");
  for (uint32_t g = 0; g < 501; ++g) clean.merge_group(g, led, g);
  for (size_t i = 0; i < later.size(); ++i) expected[groups[i]].add(later[i]);
  expect_values(clean, expected, "merged");
}

TEST(WideSums, ServeStatesKeptElsewhere) {
  struct Row {  // a hash table's row with the state inside
    uint64_t key;
    ExactSum sum;
  };
  std::vector<Row> table = {{7, {}}, {9, {}}};
  const ExactUnit unit(-83);
  WideSums wides;
  const auto add = [&](uint64_t slot, double x) {
    if (!unit.add(table[slot].sum, x)) wides.add_outside(unit, table[slot].sum, slot, x);
  };
  for (const double x : {1.5, 1e200, -1e200, 1e-200}) add(0, x);
  add(1, 2.5);
  EXPECT_EQ(wides.value(unit, table[0].sum, 0), 1.5);
  EXPECT_EQ(wides.value(unit, table[1].sum, 1), 2.5);
  EXPECT_EQ(wides.find(1), nullptr);
  WideSums target;
  ExactSum sum;
  target.merge(ExactUnit(100), sum, 4, unit, table[0].sum, wides, 0);
  target.merge(ExactUnit(100), sum, 4, unit, table[1].sum, wides, 1);
  EXPECT_EQ(target.value(ExactUnit(100), sum, 4), 4.0);
}

}  // namespace
}  // namespace gristmill::column
