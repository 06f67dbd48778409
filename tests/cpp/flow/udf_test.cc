// Functions that wait as expressions: order, nulls, errors and aggregates as for any other.

#include "gristmill/flow_udf.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include "flow_cases.h"
#include "gristmill/frame.h"

namespace gristmill {
namespace {

Frame some_rows(int64_t count) {
  arrow::Int64Builder x;
  arrow::StringBuilder name;
  for (int64_t i = 0; i < count; ++i) {
    EXPECT_TRUE((i % 7 == 3 ? x.AppendNull() : x.Append(i)).ok());
    EXPECT_TRUE(name.Append("n" + std::to_string(i % 5)).ok());
  }
  return from_arrow(arrow::Table::Make(arrow::schema({arrow::field("x", arrow::int64()), arrow::field("name", arrow::utf8())}),
                                       {x.Finish().ValueOrDie(), name.Finish().ValueOrDie()}));
}

arrow::Result<std::shared_ptr<arrow::Table>> collected(const Frame& frame, int workers) {
  ARROW_ASSIGN_OR_RAISE(const Table out,
                        frame.collect({.num_workers = workers, .chunk_rows = 100, .batch_rows = 30, .min_parallel_rows = 0}));
  ARROW_ASSIGN_OR_RAISE(const auto table, out.arrow());
  return table->CombineChunks();
}

Task<int64_t> late_twice(int64_t x) {
  co_await sleep_for(std::chrono::microseconds(x % 5 * 200));
  co_return 2 * x;
}

TEST(FlowUdfs, GiveValuesInTheOrderOfTheRowsWithNulls) {
  const Udf twice = udf_flow<int64_t(int64_t)>("twice", late_twice, CallRules{.retry = Retry{.times = 1}});
  const Udf text = udf_flow<std::string(std::string_view, std::optional<int64_t>)>(
      "text",
      [](std::string_view name, const std::optional<int64_t>& x) {
        std::this_thread::sleep_for(100us);
        return std::string(name) + (x ? std::to_string(*x) : "-");
      },
      CallRules{.way = CallWay::kBlocking});
  const Frame query = some_rows(500).select({twice(col("x")).alias("y"), text(col("name"), col("x")).alias("t")});
  for (const int workers : {1, 3}) {
    const auto table = value(collected(query, workers));
    ASSERT_EQ(table->num_rows(), 500);
    const auto& y = static_cast<const arrow::Int64Array&>(*table->column(0)->chunk(0));
    const auto& t = static_cast<const arrow::StringArray&>(*table->column(1)->chunk(0));
    for (int64_t i = 0; i < 500; ++i) {
      const bool null = i % 7 == 3;
      ASSERT_EQ(y.IsNull(i), null);
      if (!null) {
        ASSERT_EQ(y.Value(i), 2 * i);
      }
      ASSERT_EQ(t.GetString(i), "n" + std::to_string(i % 5) + (null ? "-" : std::to_string(i)));
    }
  }
}

TEST(FlowUdfs, AreOpenSideBySide) {
  const Udf wait = udf_flow<int64_t(int64_t)>("wait", [](int64_t x) -> Task<int64_t> {
    co_await sleep_for(20ms);
    co_return x;
  });
  const auto began = Clock::now();
  EXPECT_TRUE(some_rows(300).select({wait(col("x")).alias("y")}).collect({.num_workers = 1}).ok());
  EXPECT_LT(seconds_since(began), 2);  // 5 s one after the other
}

TEST(FlowUdfs, TellTheFirstRowThatFails) {
  const Udf fail = udf_flow<int64_t(int64_t)>("fail", [](int64_t x) -> Task<int64_t> {
    co_await sleep_for(std::chrono::microseconds(100 * (60 - x)));
    if (x == 20 || x == 43) co_return arrow::Status::Invalid("sour ", x);
    co_return x;
  });
  for (const int workers : {1, 3}) {
    const auto found = collected(some_rows(60).select({fail(col("x")).alias("y")}), workers);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.status().message().substr(0, 7), "sour 20") << found.status().ToString();
    EXPECT_NE(found.status().ToString().find("row 20"), std::string::npos) << found.status().ToString();
  }
}

TEST(FlowUdfs, AreInputsOfAggregates) {
  const Udf twice = udf_flow<int64_t(int64_t)>("twice", late_twice);
  for (const int workers : {1, 3}) {
    const auto table = value(collected(some_rows(100).group_by({"name"}).agg({twice(col("x")).sum().alias("s")}), workers));
    const auto& s = static_cast<const arrow::Int64Array&>(*table->GetColumnByName("s")->chunk(0));
    for (int64_t g = 0; g < 5; ++g) {
      int64_t expected = 0;
      for (int64_t i = g; i < 100; i += 5) expected += i % 7 == 3 ? 0 : 2 * i;
      EXPECT_EQ(s.Value(g), expected);
    }
  }
}

}  // namespace
}  // namespace gristmill
