// Runtime filters of a join: no matching row is ever dropped, most others are, and ranges are judged rightly.

#include "exec/join_filter.h"

#include <gtest/gtest.h>

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/scalar.h>

#include "column/kernels.h"
#include "column/random_columns.h"

namespace gristmill::exec {
namespace {

using column::Column;
using column::Mask;
using column::testing::ok;
using column::testing::RandomColumns;

arrow::MemoryPool* pool() { return arrow::default_memory_pool(); }

Column numbers(const std::vector<int64_t>& v) {
  auto buffer = ok(column::allocate_buffer(static_cast<int64_t>(v.size()) * 8, pool()));
  std::copy(v.begin(), v.end(), reinterpret_cast<int64_t*>(buffer->mutable_data()));
  return Column::flat(column::make_array(arrow::int64(), static_cast<int64_t>(v.size()), nullptr, 0, buffer));
}

std::shared_ptr<arrow::Scalar> scalar_at(const Column& flat, int64_t i) { return ok(arrow::MakeArray(flat.values)->GetScalar(i)); }

TEST(JoinFilter, NeverDropsAMatchingRowWhateverTheTypeAndEncoding) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomColumns random(seed);
    const auto type = random.pick(column::testing::flat_types());
    if (!JoinFilter::possible(*type)) continue;
    const int64_t n = random.pick<int64_t>({1, 20, 500}), m = 1 + random.below(700);
    const Column built = random.flat(type, n, 0), probed = random.column(type, m);
    JoinFilter filter(type);
    Mask keep(m, true);
    filter.narrow(probed, m, keep);
    EXPECT_EQ(keep.count(), m) << "not published yet";
    filter.publish(built, n, base::QueryMemory::make(0));
    EXPECT_TRUE(filter.ready());
    filter.narrow(probed, m, keep);
    for (int64_t i = 0; i < m; ++i) {
      bool match = false;
      for (int64_t j = 0; j < n && !match && !column::is_null_at(probed, i); ++j) match = column::equal_rows(probed, i, built, j);
      ASSERT_TRUE(keep.get(i) || !match) << column::value_text(probed, i);
      ASSERT_FALSE(keep.get(i) && column::is_null_at(probed, i));
    }
    // A range of two probe values contains a build value: it must not be refused.
    const Column flat = ok(column::flatten(probed, m, pool()));
    for (int round = 0; round < 20; ++round) {
      int64_t a = random.below(m), b = random.below(m);
      if (column::is_null_at(flat, a) || column::is_null_at(flat, b)) continue;
      if (column::compare_rows(flat, a, flat, b) > 0) std::swap(a, b);
      bool inside = false;
      for (int64_t j = 0; j < n; ++j)
        inside |= column::compare_rows(flat, a, built, j) <= 0 && column::compare_rows(built, j, flat, b) <= 0;
      EXPECT_TRUE(!inside || filter.may_match_range(*scalar_at(flat, a), *scalar_at(flat, b)));
    }
  }
}

TEST(JoinFilter, DropsNearlyAllRowsThatMatchNothing) {
  RandomColumns random(3);
  for (const int64_t spread : {int64_t{1}, int64_t{1'000'003}}) {
    std::vector<int64_t> built, probed;
    for (int i = 0; i < 20'000; ++i) built.push_back(random.below(1'000'000) * spread);
    for (int i = 0; i < 60'000; ++i) probed.push_back(random.below(1'000'000) * spread + (spread > 1 ? 1 : 0));
    JoinFilter filter(arrow::int64());
    filter.publish(numbers(built), 20'000, base::QueryMemory::make(0));
    Mask keep(60'000, true);
    filter.narrow(numbers(probed), 60'000, keep);
    EXPECT_LT(keep.count(), 60'000 * 5 / 100);
  }
}

TEST(JoinFilter, RefusesRangesBetweenItsFewValues) {
  JoinFilter filter(arrow::int64());
  filter.publish(numbers({10, 500'000'000'000, 10, -7}), 4, base::QueryMemory::make(0));
  const auto may = [&](int64_t a, int64_t b) { return filter.may_match_range(arrow::Int64Scalar(a), arrow::Int64Scalar(b)); };
  EXPECT_TRUE(may(-7, -7));
  EXPECT_TRUE(may(0, 10));
  EXPECT_FALSE(may(-6, 9));
  EXPECT_FALSE(may(11, 499'999'999'999));
  EXPECT_FALSE(may(-100, -8));
  EXPECT_FALSE(may(500'000'000'001, 600'000'000'000));
  EXPECT_TRUE(may(-100, 600'000'000'000));
  EXPECT_TRUE(filter.may_match_range(arrow::Int32Scalar(0), arrow::Int32Scalar(1))) << "another type proves nothing";
}

TEST(JoinFilter, OfAnEmptyBuildSideLetsNothingPass) {
  JoinFilter filter(arrow::int64());
  filter.publish({}, 0, base::QueryMemory::make(0));
  EXPECT_FALSE(filter.may_match_range(arrow::Int64Scalar(0), arrow::Int64Scalar(1)));
  Mask keep(3, true);
  filter.narrow(numbers({1, 2, 3}), 3, keep);
  EXPECT_EQ(keep.count(), 0);
}

TEST(JoinFilter, SwitchesItselfOffWhenItDropsTooLittle) {
  std::vector<int64_t> v;
  for (int64_t i = 0; i < 50'000; ++i) v.push_back(i * 1'000'003);
  JoinFilter filter(arrow::int64());
  filter.publish(numbers(v), 50'000, base::QueryMemory::make(0));
  for (int round = 0; round < 3; ++round) {
    Mask keep(50'000, true);
    filter.narrow(numbers(v), 50'000, keep);
    EXPECT_EQ(keep.count(), 50'000);
  }
  Mask keep(2, true);
  filter.narrow(numbers({-1, -2}), 2, keep);
  EXPECT_EQ(keep.count(), 2);
}

}  // namespace
}  // namespace gristmill::exec
