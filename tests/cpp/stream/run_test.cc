// Runs over sources that need not end: order per partition, and what cannot run.

#include <atomic>
#include <set>
#include <thread>

#include "exec/collect.h"
#include "gristmill/stream_time.h"
#include "run_driver.h"
#include "sched/task.h"
#include "stream/run.h"
#include "stream/simple_operators.h"
#include "stream_data.h"

namespace gristmill::stream::test {
namespace {

TEST(StreamRun, ASourceThatEndsGivesEveryRowOnceInOrderOfItsPartition) {
  for (const int workers : {1, 2, 3}) {
    const Stream s = counting(3, 5'000, 7).parallel({.num_workers = workers});
    expect_each_once(numbers_of(*collected(s)), 3, 5'000);
    expect_each_once(numbers_of(**iterated(s)), 3, 5'000);
  }
}

TEST(StreamRun, LimitEndsAnEndlessStreamAtTheSameRow) {
  for (const int workers : {1, 2, 3}) {
    const Stream s = counting(1, -1, 3).filter(col("n") % 2 == 1).parallel({.num_workers = workers}).limit(1'000);
    const auto got = numbers_of(**iterated(s));
    ASSERT_EQ(got.size(), 1'000u);
    EXPECT_EQ(got.back(), 1'999);
    EXPECT_EQ(s.take(3)->num_rows(), 3);
  }
}

TEST(StreamRun, DistinctOverAnEndlessStreamKeepsTheFirst) {
  const Stream s = counting(1, -1, 5).select({(col("n") % 100).alias("k"), col("n")}).distinct({"k"}).limit(100);
  const auto got = *iterated(s.parallel({.num_workers = 2}));
  std::vector<int64_t> expected;
  for (int64_t i = 0; i < 100; ++i) expected.push_back(i);
  EXPECT_EQ(numbers_of(*got), expected);
}

TEST(StreamRun, StreamsThatNeverEndArePutTogetherAsTheyCome) {
  const Stream left = counting(1, -1, 1), right = counting(1, -1, 2).with_columns({(col("n") + 1'000'000'000).alias("n")});
  const auto got = numbers_of(**iterated(left.union_with({right}).limit(50'000)));
  ASSERT_EQ(got.size(), 50'000u);
  int64_t a = 0, b = 1'000'000'000;
  for (const int64_t n : got) ASSERT_EQ(n, n >= 1'000'000'000 ? b++ : a++);
}

// Each could keep every worker to itself for ever.
TEST(StreamRun, ASourceThatAlwaysHasRowsKeepsNoOtherFromBeingRead) {
  const auto source = [](int64_t i) { return counting(1, -1, static_cast<uint64_t>(i) + 1).select({(col("n") * 3 + i).alias("n")}); };
  for (const int workers : {1, 2, 3}) {
    const Stream s = source(0).union_with({source(1), source(2)}).parallel({.num_workers = workers}).limit(200'000);
    std::vector<int64_t> rows(3, 0);
    for (const int64_t n : numbers_of(**iterated(s))) ++rows[static_cast<size_t>(n % 3)];
    for (const int64_t n : rows) EXPECT_GT(n, 30'000) << workers << " workers: " << rows[0] << ", " << rows[1] << ", " << rows[2];
  }
}

// Rows of one side wait for the other's watermark: unless both are read they are more and more.
TEST(StreamRun, AJoinOfStreamsThatAlwaysHaveRowsHoldsFewOfThem) {
  const auto source = [](uint64_t seed, const char* name) {
    return with_watermark(counting(1, -1, seed).select({col("n").alias(name), (col("n") % 100).alias("k")}), name);
  };
  StreamKeys keys;
  keys.on = {"k"};
  for (const int workers : {1, 2, 3}) {
    const Stream s = interval_join(source(1, "a"), source(2, "b"), keys, "0", "0").memory_limit(int64_t{64} << 20);
    const auto got = iterated(s.parallel({.num_workers = workers}).limit(100'000));
    ASSERT_TRUE(got.ok()) << workers << " workers: " << got.status().ToString();
    EXPECT_EQ(numbers_of(**got).back(), 99'999);
  }
}

TEST(StreamRun, ATableIsJoinedWithAStreamThatNeverEnds) {
  arrow::Int64Builder n;
  for (int64_t i = 0; i < 1'000; i += 3) EXPECT_TRUE(n.Append(i).ok());
  const auto table = arrow::Table::Make(arrow::schema({arrow::field("n", arrow::int64())}), {*n.Finish()});
  const Stream s = counting(1, -1, 5).join(from_arrow(table), {.on = {"n"}}).limit(300);
  const auto got = numbers_of(**iterated(s.parallel({.num_workers = 2})));
  ASSERT_EQ(got.size(), 300u);
  EXPECT_EQ(got.back(), 897);
}

TEST(StreamRun, WhatWouldWaitForEverIsAPlanError) {
  const Stream s = counting(1, -1, 1);
  for (const Stream& bad : {s.group_by({col("n")}).aggregate({count()}), s.aggregate({count()}), s.sort({asc("n")}),
                            s.reduce([](RecordBatchPtr, RecordBatchPtr b) -> arrow::Result<RecordBatchPtr> { return b; }, *s.schema())}) {
    const auto got = bad.schema();
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(base::error_kind(got.status()), base::ErrorKind::kPlan);
    EXPECT_NE(got.status().message().find("never ends"), std::string::npos) << got.status().ToString();
  }
  EXPECT_FALSE(s.collect().ok());
}

TEST(StreamRun, LeavingAnEndlessStreamEndsItsRun) {
  for (int i = 0; i < 20; ++i) {
    StreamReader reader = *counting(2, -1, static_cast<uint64_t>(i)).filter(col("n") % 3 == 0).batches();
    ASSERT_TRUE((*reader.next()) != nullptr);
  }
}

TEST(StreamRun, AnErrorBehindAStageEndsTheEndlessSourceBeforeIt) {
  const Stream s = counting(1, -1, 5).distinct().with_columns({lit(int64_t{1}).floor_div(col("n") - 30'000).alias("q")});
  const auto got = iterated(s.parallel({.num_workers = 2}));
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(base::error_kind(got.status()), base::ErrorKind::kData);
}

}  // namespace
}  // namespace gristmill::stream::test
