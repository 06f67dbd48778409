// is_nan and is_finite, which look at many rows at once: each row by itself, odd ones wherever they stand, at every SIMD level.

#include <cmath>
#include <limits>
#include <vector>

#include <arrow/builder.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "../column/random_columns.h"
#include "expr/bind.h"
#include "expr/evaluate.h"

namespace gristmill::expr {
namespace {

using column::testing::ok;

template <typename T, typename Builder>
void check(const std::vector<T>& values, const std::shared_ptr<arrow::DataType>& type) {
  Builder builder;
  for (size_t i = 0; i < values.size(); ++i) ASSERT_TRUE((i % 11 == 10 ? builder.AppendNull() : builder.Append(values[i])).ok());
  column::Batch batch;
  batch.rows = static_cast<int64_t>(values.size());
  batch.columns = {column::Column::flat(ok(builder.Finish())->data())};
  const arrow::Schema schema({arrow::field("x", type)});
  Evaluator evaluator(column::testing::pool());
  for (const bool nan : {true, false}) {
    const BoundPtr test = ok(expr::bind(call(nan ? "is_nan" : "is_finite", {expr::column("x")}), schema));
    const column::Column out = ok(evaluator.evaluate(*test, batch));
    for (size_t i = 0; i < values.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      ASSERT_EQ(column::is_null_at(out, row), i % 11 == 10) << i;
      if (i % 11 == 10) continue;
      ASSERT_EQ(column::value_text(out, row), (nan ? std::isnan(values[i]) : std::isfinite(values[i])) ? "true" : "false") << i;
    }
  }
}

template <typename T, typename Builder>
void check_all(const std::shared_ptr<arrow::DataType>& type) {
  using Limits = std::numeric_limits<T>;
  constexpr T kOdd[] = {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(), Limits::max(), Limits::denorm_min(), -T{0}};
  for (const size_t rows : {1, 63, 64, 65, 300}) {
    std::vector<T> values(rows, T{1.5});
    check<T, Builder>(values, type);
    for (size_t at = 0; at < rows; at += 13) values[at] = kOdd[at % std::size(kOdd)];
    values[rows - 1] = Limits::quiet_NaN();
    check<T, Builder>(values, type);
    check<T, Builder>(std::vector<T>(rows, Limits::quiet_NaN()), type);
  }
}

TEST(FloatTests, FindTheFewThatAreOdd) {
  column::testing::at_every_level([](base::SimdLevel) {
    check_all<double, arrow::DoubleBuilder>(arrow::float64());
    check_all<float, arrow::FloatBuilder>(arrow::float32());
  });
}

}  // namespace
}  // namespace gristmill::expr
