#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "random_columns.h"

namespace gristmill::column {
namespace {

using testing::RandomColumns;

std::set<int64_t> rows_of(const Selection& s, int64_t rows) {
  std::set<int64_t> out;
  for (uint16_t i : s.indices(rows)) out.insert(i);
  return out;
}

void expect_rows(const Selection& s, int64_t rows, const std::set<int64_t>& expected) {
  EXPECT_EQ(rows_of(s, rows), expected);
  EXPECT_EQ(s.count(rows), static_cast<int64_t>(expected.size()));
  const Mask& m = s.mask(rows);
  EXPECT_EQ(m.rows, rows);
  EXPECT_EQ(m.count(), static_cast<int64_t>(expected.size()));
  for (int64_t i = 0; i < rows; ++i) {
    ASSERT_EQ(m.get(i), expected.contains(i));
    ASSERT_EQ(s.contains(i), expected.contains(i));
  }
  EXPECT_EQ(s.empty(rows), expected.empty());
}

TEST(Selection, AlgebraAgreesWithSets) {
  testing::at_every_level([](base::SimdLevel) {
    for (uint64_t seed = 1; seed < 300; ++seed) {
      SCOPED_TRACE(seed);
      RandomColumns random(seed);
      const int64_t rows = random.below(400);
      const Selection s = random.selection(rows);
      const std::set<int64_t> mine = rows_of(s, rows);
      expect_rows(s, rows, mine);
      const Mask keep = random.mask(rows);
      std::set<int64_t> both;
      for (int64_t i : mine) {
        if (keep.get(i)) both.insert(i);
      }
      expect_rows(s.intersect(keep), rows, both);
      const int64_t n = random.below(rows + 3);
      std::set<int64_t> below, first, rest;
      int64_t at = 0;
      for (int64_t i : mine) {
        if (i < n) below.insert(i);
        (at++ < n ? first : rest).insert(i);
      }
      expect_rows(s.below(n, rows), rows, below);
      expect_rows(s.first(n, rows), rows, first);
      expect_rows(s.skip(n, rows), rows, rest);
    }
  });
}

TEST(Selection, EveryRowIsTheSameAsNoSelection) {
  EXPECT_TRUE(Selection::from_mask(Mask(100, true)).all());
  EXPECT_TRUE(Selection::from_indices({0, 1, 2}, 3).all());
  EXPECT_FALSE(Selection::from_mask(Mask(1, false)).all());
  EXPECT_EQ(Selection().indices(kMaxBatchRows).back(), 65535);
}

TEST(Selection, MaskBitsBeyondTheRowsStayZero) {
  for (int64_t rows : {0, 1, 63, 64, 65, 127, 128}) {
    const Mask m(rows, true);
    EXPECT_EQ(m.count(), rows);
    EXPECT_EQ(Selection().mask(rows).count(), rows);
  }
}

}  // namespace
}  // namespace gristmill::column
