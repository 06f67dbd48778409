// Sums of decimals: those of few digits are kept in 128 bits, of many in 192, and nobody can tell by the result.

#include "aggregate_driver.h"
#include "exec/aggregate_plan.h"

namespace gristmill::exec {
namespace {

using namespace testing;  // NOLINT: the driver

Column decimals(const TypePtr& type, const std::vector<__int128>& values) {
  const auto n = static_cast<int64_t>(values.size());
  auto buffer = ok(column::allocate_buffer(n * 16, column::testing::pool()));
  std::memcpy(buffer->mutable_data(), values.data(), values.size() * 16);
  return Column::flat(column::make_array(type, n, nullptr, 0, buffer));
}

__int128 greatest(int digits) {
  __int128 v = 1;
  for (int i = 0; i < digits; ++i) v *= 10;
  return v - 1;
}

TEST(DecimalSums, OfAllWidths) {
  uint64_t seed = 900;
  for (const auto& [digits, scale] : std::vector<std::pair<int, int>>{{1, 0}, {9, 2}, {17, 17}, {18, 0}, {18, 4}, {19, 4}, {38, 10}}) {
    const TypePtr type = arrow::decimal128(digits, scale);
    RandomColumns random(++seed);
    const Morsels data = random_morsels(random, {arrow::int32(), type, arrow::boolean()}, 120, 5);
    const auto d = input(1, type), b = input(2, arrow::boolean());
    for (const auto& aggregates : std::vector<std::vector<expr::BoundAggregate>>{
             {aggregate("sum", {d})},
             {aggregate("mean", {d})},
             {aggregate("sum", {d}), aggregate("mean", {d}), aggregate("sum", {d}, b), aggregate("mean", {d}, b)}}) {
      AggregateSpec spec;
      spec.keys = {input(0, arrow::int32())};
      spec.aggregates = aggregates;
      for (const RunConfig& config : configs(seed)) {
        SCOPED_TRACE("decimal(" + std::to_string(digits) + ", " + std::to_string(scale) + "), seed " + std::to_string(seed));
        check(spec, data, config);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(DecimalSums, OfTheGreatestValues) {
  for (const int digits : {18, 19}) {
    const TypePtr type = arrow::decimal128(digits, 0);
    for (const int sign : {1, -1}) {
      Batch b;
      b.rows = 1000;
      b.columns = {decimals(type, std::vector<__int128>(1000, sign * greatest(digits)))};
      AggregateSpec spec;
      spec.aggregates = {aggregate("sum", {input(0, type)})};
      const std::string nines(static_cast<size_t>(digits), '9');
      const std::string sum = (sign < 0 ? "-1" : "1") + nines.substr(0, nines.size() - 1) + "8000";
      EXPECT_EQ(cells(ok(run(spec, {b, b}, {}, context_of({}))))[0][0], sum) << digits;
    }
  }
}

// A group of a short decimal's sum: key 8, order 8, sum 16, flag and partition 2, in words.
TEST(DecimalSums, OfFewDigitsTakeLittleRoom) {
  const auto stride = [](int digits) {
    const TypePtr type = arrow::decimal128(digits, 2);
    AggregateSpec spec;
    spec.keys = {input(0, arrow::int64())};
    spec.aggregates = {aggregate("sum", {input(1, type)})};
    return ok(AggregatePlan::make(spec, context_of({})))->layout.stride;
  };
  EXPECT_EQ(stride(18), 40);
  EXPECT_EQ(stride(19), 56);
}

TEST(DecimalSums, RefuseValuesThatAreNotOfTheirType) {
  const TypePtr type = arrow::decimal128(5, 2);
  const __int128 wrong = greatest(25);
  Batch b;
  b.rows = 3;
  b.columns = {decimals(type, {100, wrong, 200})};
  AggregateSpec spec;
  spec.aggregates = {aggregate("sum", {input(0, type)})};
  const auto failed = run(spec, {b}, {}, context_of({}));
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(base::error_kind(failed.status()), base::ErrorKind::kData);
  EXPECT_NE(failed.status().message().find("sum(c0): 99999999999999999999999.99 is no decimal"), std::string::npos)
      << failed.status().ToString();
}

}  // namespace
}  // namespace gristmill::exec
