// Which queries are over before another worker has woken, and that they stay on their caller's thread.

#include "plan/light_work.h"

#include <optional>
#include <string>

#include <arrow/array/util.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "gristmill/frame.h"

namespace gristmill {
namespace {

Frame numbers(int64_t rows) {
  const auto of = [&](const std::shared_ptr<arrow::Scalar>& v) { return arrow::MakeArrayFromScalar(*v, rows).ValueOrDie(); };
  const auto schema = arrow::schema({arrow::field("x", arrow::int64()), arrow::field("v", arrow::float64()), arrow::field("s", arrow::utf8()),
                                     arrow::field("d", arrow::decimal128(10, 2))});
  return from_arrow(arrow::Table::Make(schema, {of(arrow::MakeScalar(int64_t{3})), of(arrow::MakeScalar(0.5)), of(arrow::MakeScalar("a")),
                                                of(std::make_shared<arrow::Decimal128Scalar>(arrow::Decimal128(5), arrow::decimal128(10, 2)))}));
}

std::optional<int64_t> work_of(const Frame& f) {
  const auto& made = f.plan();
  EXPECT_TRUE(made.ok()) << base::describe_error(made.status());
  return made.ok() ? plan::light_work(**made) : std::nullopt;
}

TEST(LightWork, IsAdditionsARowAndOneForHandingItOn) {
  EXPECT_EQ(work_of(numbers(100)), 100);
  EXPECT_EQ(work_of(numbers(100).select({(2.5 * col("x") + 100).alias("y"), col("x")})), 300);
  EXPECT_EQ(work_of(numbers(100).with_columns({(col("x") * col("x")).alias("z")}).head(5)), 200);
  EXPECT_EQ(work_of(numbers(100).filter(col("v") > 0.1)), (1 + 1 + 2 * 4) * 100);          // of four columns each value is copied
  EXPECT_EQ(work_of(numbers(100).filter(col("s") == "a")), (1 + 1 + 4 + 2 * 4) * 100);     // a text compared
  EXPECT_EQ(work_of(numbers(100).select({col("v").cast(arrow::int64()).alias("i")})), 200);
}

TEST(LightWork, IsNotKnownOfWhatTakesLongARow) {
  for (const Expr& e : {col("v").ln(), col("s").str().upper(), col("s").cast(arrow::int64()), col("d") * col("d")}) {
    EXPECT_EQ(work_of(numbers(100).select({e.alias("e")})), std::nullopt) << e.to_string();
  }
  EXPECT_EQ(work_of(numbers(100).group_by({"x"}).agg({count()})), std::nullopt);
  EXPECT_EQ(work_of(numbers(100).sort({desc("x")})), std::nullopt);
}

TEST(LightWork, StaysOnItsCallersThreadUnlessItIsMuchOrToldNotTo) {
  const auto workers = [](const Frame& f, int64_t min_parallel_rows = 10'000) {
    ParallelOptions options;
    options.num_workers = 2;
    options.min_parallel_rows = min_parallel_rows;
    const auto table = f.collect(options);
    EXPECT_TRUE(table.ok()) << base::describe_error(table.status());
    const std::string stats = table.ok() ? table->statistics() : "";
    const std::string name = "\"num_workers\":";
    return stats.substr(stats.find(name) + name.size(), 1);
  };
  const auto squares = [](int64_t rows) { return numbers(rows).select({(col("x") * col("x")).alias("z")}); };
  EXPECT_EQ(workers(squares(100'000)), "1");
  EXPECT_EQ(workers(squares(100'000), 0), "2");
  EXPECT_EQ(workers(squares(600'000)), "2");
  EXPECT_EQ(workers(numbers(100'000).select({col("v").ln().alias("l")})), "2");
  EXPECT_EQ(workers(numbers(9'999).select({col("v").ln().alias("l")})), "1");
}

}  // namespace
}  // namespace gristmill
