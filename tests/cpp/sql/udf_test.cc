// User functions written in C++: types of parameters and results, nulls, errors by row, and what plans may not carry.

#include <stdexcept>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/initialize.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "gristmill/frame.h"
#include "gristmill/sql.h"
#include "gristmill/udf.h"

namespace gristmill {
namespace {

Frame numbers(int64_t n) {
  arrow::Int64Builder i;
  arrow::StringBuilder s;
  for (int64_t k = 0; k < n; ++k) {
    EXPECT_TRUE((k % 7 == 3 ? i.AppendNull() : i.Append(k)).ok());
    EXPECT_TRUE(s.Append("text number " + std::to_string(k)).ok());
  }
  return from_arrow(arrow::Table::Make(arrow::schema({arrow::field("i", arrow::int64()), arrow::field("s", arrow::utf8())}),
                                       {i.Finish().ValueOrDie(), s.Finish().ValueOrDie()}));
}

std::shared_ptr<arrow::Table> run(const Frame& f, int workers = 1, int64_t batch_rows = 0) {
  auto out = f.collect({.num_workers = workers, .chunk_rows = 100, .batch_rows = batch_rows, .min_parallel_rows = 0});
  EXPECT_TRUE(out.ok()) << out.status().ToString();
  return out.ok() ? out->arrow().ValueOrDie()->CombineChunks().ValueOrDie() : nullptr;
}

TEST(Udf, ScalarFunctionsKeepNulls) {
  const Udf twice = udf<int64_t(int64_t)>("twice", [](int64_t x) { return 2 * x; });
  const Udf sized = udf<std::string(std::string_view, int64_t)>(
      "sized", [](std::string_view s, int64_t n) { return std::string(s.substr(0, static_cast<size_t>(n % 5))); });
  const Udf either = udf<std::optional<int64_t>(std::optional<int64_t>)>("either", [](std::optional<int64_t> x) -> std::optional<int64_t> {
    if (!x) return -1;
    return *x % 2 == 0 ? x : std::nullopt;
  });
  const Frame f = numbers(500);
  const Frame query = f.select({twice(col("i")).alias("a"), sized(col("s"), col("i")).alias("b"), either(col("i")).alias("c"),
                                twice(col("i").cast(arrow::int32())).alias("d")});
  const auto expected = run(query);
  ASSERT_NE(expected, nullptr);
  const auto& a = static_cast<const arrow::Int64Array&>(*expected->column(0)->chunk(0));
  const auto& b = static_cast<const arrow::StringArray&>(*expected->column(1)->chunk(0));
  const auto& c = static_cast<const arrow::Int64Array&>(*expected->column(2)->chunk(0));
  for (int64_t k = 0; k < 500; ++k) {
    const bool null = k % 7 == 3;
    ASSERT_EQ(a.IsNull(k), null);
    ASSERT_EQ(b.IsNull(k), null);
    if (!null) {
      EXPECT_EQ(a.Value(k), 2 * k);
      EXPECT_EQ(b.GetString(k), std::string("text number").substr(0, static_cast<size_t>(k % 5)));
      ASSERT_EQ(c.IsNull(k), k % 2 != 0);
    } else {
      EXPECT_EQ(c.Value(k), -1);
    }
  }
  for (const int workers : {2, 3}) {
    for (const int64_t batch : {1, 7, 1000}) EXPECT_TRUE(run(query, workers, batch)->Equals(*expected));
  }
}

TEST(Udf, AnErrorNamesTheFirstRowAtAnySetting) {
  const Udf picky = udf<arrow::Result<int64_t>(int64_t)>("picky", [](int64_t x) -> arrow::Result<int64_t> {
    if (x == 212 || x == 440) return arrow::Status::Invalid("does not like ", x);
    return x;
  });
  for (const int workers : {1, 2, 3}) {
    for (const int64_t batch : {0, 1, 64}) {
      const auto out = numbers(500)
                           .filter(picky(col("i")) >= 0)
                           .collect({.num_workers = workers, .chunk_rows = 50, .batch_rows = batch, .min_parallel_rows = 0});
      ASSERT_FALSE(out.ok());
      EXPECT_EQ(base::error_detail(out.status())->row, 212) << out.status().ToString();
      EXPECT_NE(out.status().message().find("does not like 212"), std::string::npos);
    }
  }
}

TEST(Udf, VectorFunctionsAreCheckedAndFoundInSql) {
  ASSERT_TRUE(arrow::compute::Initialize().ok());
  const Udf negated = udf_vector("test_negated", arrow::int64(), [](const Arrays& args) -> arrow::Result<std::shared_ptr<arrow::Array>> {
    ARROW_ASSIGN_OR_RAISE(auto out, arrow::compute::Negate(args[0]));
    return out.make_array();
  });
  ASSERT_TRUE(register_function(negated).ok());
  const Frame t = numbers(10);
  const auto out = run(sql("select test_negated(i) as n from t where test_negated(i) < -5", {{"t", t}}));
  ASSERT_NE(out, nullptr);
  EXPECT_EQ(out->num_rows(), 4);
  const Udf shorter = udf_vector("shorter", arrow::int64(),
                                 [](const Arrays& args) -> arrow::Result<std::shared_ptr<arrow::Array>> { return args[0]->Slice(1); });
  const auto bad = t.select({shorter(col("i"))}).collect();
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.status().message().find("returned"), std::string::npos);
  EXPECT_FALSE(register_function(udf<int64_t(int64_t)>("abs", [](int64_t x) { return x; })).ok());
  const auto parts = t.select({negated(col("i"))}).to_parts();
  ASSERT_FALSE(parts.ok());
  EXPECT_NE(parts.status().message().find("user function"), std::string::npos);
}

TEST(Udf, FramesInPartsComeBack) {
  const Frame f = numbers(50).filter(col("i") > 10).tail(7);
  const auto parts = f.to_parts();
  ASSERT_TRUE(parts.ok()) << parts.status().ToString();
  EXPECT_EQ(parts->tables.size(), 1u);
  EXPECT_TRUE(run(Frame::from_parts(*parts))->Equals(*run(f)));
  EXPECT_FALSE(Frame::from_parts({parts->plan, {}}).collect().ok());
}

}  // namespace
}  // namespace gristmill
