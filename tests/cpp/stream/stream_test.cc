// Streams give what frames give, batch by batch, whatever the workers, the morsels and the path a batch takes.

#include <atomic>

#include <arrow/compute/api.h>

#include "stream_data.h"

namespace gristmill::stream::test {
namespace {

Stream steps(Stream s) { return s.filter(col("n") % 3 != 0).with_columns({(col("x") * 2.0).alias("y")}).filter(col("t") != "t5"); }

std::shared_ptr<arrow::Table> by_frame(int64_t rows) {
  auto table = from_arrow(together(numbers_schema(), {numbers(rows)}))
                   .filter(col("n") % 3 != 0)
                   .with_columns({(col("x") * 2.0).alias("y")})
                   .filter(col("t") != "t5")
                   .collect();
  return (*table->arrow())->CombineChunks().ValueOrDie();
}

TEST(Stream, ParallelEqualsSequentialIncludingOrder) {
  for (const int64_t rows : {0, 1, 100, 1'000, 10'000, 100'000}) {
    const auto expected = by_frame(rows);
    for (const int workers : {1, 2, 3, 8}) {
      for (const double kb : {0.0, 4.0}) {
        for (const int64_t batch : {int64_t{97}, int64_t{9'999}, int64_t{200'000}}) {
          if (rows / batch > 2'000) continue;
          const StreamParallel settings{.num_workers = workers, .morsel_size_kb = kb};
          const Stream s = steps(Stream::from_batches(in_batches(rows, batch), numbers_schema())).parallel(settings);
          const auto got = iterated(s);
          ASSERT_TRUE(got.ok()) << got.status().ToString();
          ASSERT_TRUE((*got)->Equals(*expected)) << rows << " rows, " << workers << " workers, " << kb << " KB, batches of " << batch;
          ASSERT_TRUE(collected(s)->Equals(*expected));
        }
      }
    }
  }
}

// Sees whole batches, or morsels.
class Watching final : public StreamOperator {
 public:
  explicit Watching(bool stateful = false) : stateful_(stateful) {}
  std::string name() const override { return "watching"; }
  bool is_stateful() const override { return stateful_; }
  arrow::Result<RecordBatchPtr> process_batch(RecordBatchPtr batch) override {
    const int now = ++inside;
    int most = most_inside.load();
    while (now > most && !most_inside.compare_exchange_weak(most, now)) {
    }
    ++calls;
    largest = std::max<int64_t>(largest.load(), batch->num_rows());
    --inside;
    return batch;
  }
  std::atomic<int> inside{0}, most_inside{0}, calls{0};
  std::atomic<int64_t> largest{0};

 private:
  const bool stateful_;
};

TEST(Stream, AFunctionWithoutParallelSeesWholeBatchesOneAfterTheOther) {
  const auto op = std::make_shared<Watching>();
  const Stream s = Stream::from_batches(in_batches(150'000, 50'000)).apply(op);
  const auto got = iterated(s);
  ASSERT_TRUE(got.ok()) << got.status().ToString();
  EXPECT_EQ((*got)->num_rows(), 150'000);
  EXPECT_EQ(op->calls, 3);
  EXPECT_EQ(op->most_inside, 1);
  EXPECT_EQ(op->largest, 50'000);
}

TEST(Stream, AFunctionBehindParallelSeesMorselsInEveryPath) {
  for (const bool collect : {false, true}) {
    const auto op = std::make_shared<Watching>();
    const Stream s = Stream::from_batches(in_batches(200'000, 100'000)).apply(op).parallel({.num_workers = 4, .morsel_size_kb = 64});
    const auto got = collect ? collected(s) : *iterated(s);
    EXPECT_TRUE(got->Equals(*together(numbers_schema(), {numbers(200'000)})));
    EXPECT_GT(op->calls, 10);
    EXPECT_LT(op->largest, 10'000);
  }
}

TEST(Stream, AStatefulOperatorSeesEverythingInOrderEvenBehindParallel) {
  class Running final : public StreamOperator {
   public:
    bool is_stateful() const override { return true; }
    arrow::Result<RecordBatchPtr> process_batch(RecordBatchPtr batch) override {
      const auto& n = static_cast<const arrow::Int64Array&>(*batch->column(0));
      for (int64_t i = 0; i < n.length(); ++i) {
        if (n.Value(i) != next++) return base::data_error("out of order");
      }
      return batch;
    }
    int64_t next = 0;
  };
  for (const bool collect : {false, true}) {
    const Stream s =
        Stream::from_batches(in_batches(100'000, 7'000)).apply(std::make_shared<Running>()).parallel({.num_workers = 3, .threshold = 0});
    const auto got = collect ? collected(s) : *iterated(s);
    EXPECT_EQ(got->num_rows(), 100'000);
  }
}

TEST(Stream, ThresholdBypassDisabledAndOneWorkerGiveTheSameAndStartNoMorsels) {
  const auto expected = by_frame(5'000);
  for (const StreamParallel& p : {StreamParallel{.num_workers = 4, .threshold = 10'000}, StreamParallel{.num_workers = 4, .enabled = false},
                                  StreamParallel{.num_workers = 1, .threshold = 0}}) {
    const Stream s = steps(Stream::from_batches({numbers(5'000)})).parallel(p);
    StreamReader reader = *s.batches();
    std::vector<RecordBatchPtr> all;
    while (auto batch = *reader.next()) all.push_back(batch);
    EXPECT_EQ(all.size(), 1u);  // the batch as it came
    EXPECT_TRUE(together(reader.schema(), all)->Equals(*expected));
    EXPECT_NE(reader.stats().find("\"total_morsels_processed\":1,"), std::string::npos) << reader.stats();
  }
}

TEST(Stream, MorselsKeepTheirNumberAndMetadataThroughAllOperators) {
  class Marking final : public StreamOperator {
   public:
    arrow::Result<RecordBatchPtr> process_batch(RecordBatchPtr batch) override { return batch; }
    arrow::Result<std::optional<Morsel>> process_morsel(Morsel m) override {
      m.metadata["first"] = std::to_string(m.number);
      return StreamOperator::process_morsel(std::move(m));
    }
  };
  class Checking final : public StreamOperator {
   public:
    arrow::Result<RecordBatchPtr> process_batch(RecordBatchPtr batch) override { return batch; }
    arrow::Result<std::optional<Morsel>> process_morsel(Morsel m) override {
      if (m.metadata["first"] != std::to_string(m.number) || !m.processed) return base::data_error("metadata got lost");
      ++seen;
      return StreamOperator::process_morsel(std::move(m));
    }
    std::atomic<int> seen{0};
  };
  const auto checking = std::make_shared<Checking>();
  const Stream s =
      Stream::from_batches({numbers(50'000)}).apply(std::make_shared<Marking>()).apply(std::make_shared<Watching>()).apply(checking);
  EXPECT_EQ((*iterated(s.parallel({.num_workers = 2, .morsel_size_kb = 32})))->num_rows(), 50'000);
  EXPECT_GT(checking->seen, 5);
}

TEST(Stream, WhatIsFilteredOutEntirelyGivesNoBatch) {
  size_t batches = 9;
  const Stream s = Stream::from_batches(in_batches(30'000, 1'000)).filter(col("n") < 0);
  EXPECT_EQ((*iterated(s, &batches))->num_rows(), 0);
  EXPECT_EQ(batches, 0u);
  const Stream users =
      Stream::from_batches(in_batches(30'000, 1'000)).map([](RecordBatchPtr b) -> arrow::Result<RecordBatchPtr> { return b->Slice(0, 0); });
  EXPECT_EQ((*iterated(users, &batches))->num_rows(), 0);
  EXPECT_EQ(batches, 0u);
}

TEST(Stream, TheEarliestRowsErrorWinsAtAnyNumberOfWorkers) {
  std::string first;
  for (const int workers : {1, 2, 8}) {
    // Two bad rows, 60,001 by one column and 60,100 by the other.
    const Stream s = Stream::from_batches(in_batches(100'000, 50'000))
                         .with_columns({(lit(int64_t{1}).floor_div(col("n") - 60'100)).alias("later")})
                         .with_columns({(lit(int64_t{1}).floor_div(col("n") - 60'001)).alias("earlier")})
                         .parallel({.num_workers = workers, .morsel_size_kb = 16});
    const auto got = iterated(s);
    ASSERT_FALSE(got.ok());
    const auto detail = base::error_detail(got.status());
    ASSERT_TRUE(detail);
    EXPECT_EQ(detail->row, 60'001) << got.status().ToString();
    if (first.empty()) first = base::describe_error(got.status());
    EXPECT_EQ(base::describe_error(got.status()), first);
  }
}

// Large batches go to all workers, small ones do not; what workers keep from batch to batch changes nothing.
TEST(Stream, LargeAndSmallBatchesMixAndTheFirstErrorComesAfterAllBatchesBefore) {
  std::vector<RecordBatchPtr> batches;
  int64_t rows = 0;
  for (const int64_t size : {30'000, 10, 70'000, 9'999, 10'000, 1, 65'537}) {
    batches.push_back(numbers(size, rows));
    rows += size;
  }
  const auto table = together(numbers_schema(), batches);
  const Frame other = from_arrow(together(numbers_schema(), {numbers(20)}));
  const auto with_join = [&](const Stream& s) { return steps(s).join(other.select({col("t"), col("n").alias("k")}), {.on = {"t"}}); };
  const auto expected = iterated(with_join(Stream::from_batches(batches)).parallel({.enabled = false}));
  ASSERT_TRUE(expected.ok()) << expected.status().ToString();
  EXPECT_GT((*expected)->num_rows(), 0);
  for (const int workers : {2, 3, 8}) {
    for (const double kb : {0.0, 1.0, 40.0, 4000.0}) {
      const StreamParallel settings{.num_workers = workers, .morsel_size_kb = kb};
      const auto got = iterated(with_join(Stream::from_batches(batches)).parallel(settings));
      ASSERT_TRUE(got.ok()) << got.status().ToString();
      ASSERT_TRUE((*got)->Equals(**expected)) << workers << " workers, " << kb << " KB";
      for (const auto& [bad, rows_before] : {std::pair{60'000, 30'010}, {101'234, 100'010}, {150'000, 120'010}}) {
        const Stream fails = Stream::from_batches(batches).select({lit(int64_t{1}).floor_div(col("n") - bad)}).parallel(settings);
        StreamReader reader = *fails.batches();
        int64_t before = 0;
        arrow::Result<RecordBatchPtr> batch = reader.next();
        for (; batch.ok() && *batch; batch = reader.next()) before += (*batch)->num_rows();
        ASSERT_FALSE(batch.ok());
        EXPECT_EQ(base::error_detail(batch.status())->row, bad) << batch.status().ToString();
        EXPECT_EQ(before, rows_before);
        EXPECT_FALSE(reader.next().ok());
      }
    }
  }
}

TEST(Stream, MorselsOfABatchAreAboutTheSame) {
  const Stream s = Stream::from_batches({numbers(100'000)}).filter(col("n") >= 0).parallel({.num_workers = 3});
  StreamReader reader = *s.batches();
  int64_t least = 100'000, most = 0, count = 0;
  while (const auto batch = *reader.next()) {
    least = std::min(least, batch->num_rows());
    most = std::max(most, batch->num_rows());
    ++count;
  }
  EXPECT_GE(count, 12);
  EXPECT_LE(most - least, 12);
  EXPECT_NE(reader.stats().find("\"total_morsels_processed\":" + std::to_string(count) + ","), std::string::npos) << reader.stats();
  EXPECT_NE(reader.stats().find("\"total_morsels_created\":" + std::to_string(count) + ","), std::string::npos) << reader.stats();
}

TEST(Stream, AnErrorOfAFunctionStopsTheStream) {
  const Stream s = Stream::from_batches(in_batches(10'000, 1'000)).map([](RecordBatchPtr b) -> arrow::Result<RecordBatchPtr> {
    const auto& n = static_cast<const arrow::Int64Array&>(*b->column(0));
    if (n.Value(0) == 5'000) return base::data_error("no fifth thousand");
    return b;
  });
  StreamReader reader = *s.batches();
  int64_t rows = 0;
  arrow::Status end;
  while (true) {
    auto batch = reader.next();
    end = batch.status();
    if (!batch.ok() || !*batch) break;
    rows += (*batch)->num_rows();
  }
  EXPECT_EQ(rows, 5'000);
  EXPECT_NE(end.message().find("no fifth thousand"), std::string::npos);
  EXPECT_FALSE(s.collect().ok());
}

TEST(Stream, ABatchOfAnotherSchemaIsAnErrorThatSaysBoth) {
  const Stream s = Stream::from_batches({numbers(3)}).map([](RecordBatchPtr b) { return b->SelectColumns({0}); });
  const auto got = iterated(s);
  ASSERT_FALSE(got.ok());
  EXPECT_NE(got.status().message().find("(n int64)"), std::string::npos) << got.status().ToString();
}

TEST(Stream, AggregatesSortsAndJoinsOfAStreamThatEndsAreThoseOfFrames) {
  const Frame frame = from_arrow(together(numbers_schema(), {numbers(60'000)}));
  const Stream stream = Stream::from_batches(in_batches(60'000, 4'000));
  const auto same = [](const Stream& s, const Frame& f) {
    auto table = f.collect();
    ASSERT_TRUE(table.ok()) << table.status().ToString();
    EXPECT_TRUE(collected(s)->Equals(*(*table->arrow())->CombineChunks().ValueOrDie()));
    const auto one_by_one = iterated(s);
    ASSERT_TRUE(one_by_one.ok()) << one_by_one.status().ToString();
    EXPECT_TRUE((*one_by_one)->Equals(*collected(s)));
  };
  same(stream.group_by({col("t")}).aggregate({col("x").sum(), count()}), frame.group_by({"t"}).agg({col("x").sum(), count()}));
  same(stream.aggregate({col("x").mean()}), frame.select({col("x").mean()}));
  same(stream.sort({desc("x"), asc("n")}), frame.sort({desc("x"), asc("n")}));
  same(stream.top(10, {desc("n")}), frame.sort({desc("n")}).head(10));
  same(stream.distinct({"t"}), frame.distinct({"t"}));
  same(stream.limit(4'500), frame.head(4'500));
  const Frame names = frame.distinct({"t"}).select({col("t"), (col("n") * 10).alias("ten")}).filter(col("ten") > 20);
  for (const Join how : {Join::kInner, Join::kLeft, Join::kSemi, Join::kAnti, Join::kFull, Join::kRight}) {
    same(stream.join(names, {.on = {"t"}, .how = how}), frame.join(names, {.on = {"t"}, .how = how}));
  }
  same(stream.union_with({Stream(frame)}), frame.union_with({frame}));
  // Users' operators before, between and behind.
  const auto op = [] { return std::make_shared<Watching>(); };
  same(stream.apply(op()).group_by({col("t")}).aggregate({count()}).apply(op()).sort({asc("t")}).apply(op()),
       frame.group_by({"t"}).agg({count()}).sort({asc("t")}));
}

TEST(Stream, AnEndlessFunctionIsReadAsFarAsIsAskedFor) {
  std::atomic<int> asked{0};
  const Stream s = Stream::from_function(numbers_schema(), [&]() -> arrow::Result<Stream::NextBatch> {
    return Stream::NextBatch([&]() -> arrow::Result<RecordBatchPtr> { return numbers(100, 100 * asked++); });
  });
  StreamReader reader = *s.filter(col("n") >= 250).batches();
  EXPECT_EQ((*reader.next())->num_rows(), 50);
  EXPECT_EQ((*reader.next())->num_rows(), 100);
  EXPECT_EQ(asked, 4);
}

TEST(Stream, ReduceFoldsBatchesInOrder) {
  const auto schema = arrow::schema({arrow::field("n", arrow::int64())});
  const Stream s = Stream::from_batches(in_batches(10'000, 900))
                       .reduce(
                           [&](RecordBatchPtr before, RecordBatchPtr batch) -> arrow::Result<RecordBatchPtr> {
                             int64_t sum = before ? static_cast<const arrow::Int64Array&>(*before->column(0)).Value(0) : 0;
                             const auto& n = static_cast<const arrow::Int64Array&>(*batch->column(0));
                             for (int64_t i = 0; i < n.length(); ++i) sum = (sum * 31 + n.Value(i)) % 1'000'003;
                             arrow::Int64Builder b;
                             ARROW_RETURN_NOT_OK(b.Append(sum));
                             ARROW_ASSIGN_OR_RAISE(auto values, b.Finish());
                             return arrow::RecordBatch::Make(schema, 1, {values});
                           },
                           schema);
  int64_t expected = 0;
  for (int64_t i = 0; i < 10'000; ++i) expected = (expected * 31 + i) % 1'000'003;
  const auto got = collected(s);
  ASSERT_EQ(got->num_rows(), 1);
  EXPECT_EQ(static_cast<const arrow::Int64Array&>(*got->column(0)->chunk(0)).Value(0), expected);
}

TEST(Stream, StatisticsAddUp) {
  const Stream s = steps(Stream::from_batches(in_batches(100'000, 30'000))).parallel({.num_workers = 2});
  StreamReader reader = *s.batches();
  while (*reader.next()) {
  }
  const std::string stats = reader.stats();
  for (const char* name :
       {"\"num_workers\":2", "\"morsel_size_kb\"", "\"total_morsels_created\"", "\"processing_time_seconds\"", "\"morsels_per_second\"",
        "\"steals\"", "\"numa_node\"", "\"processed_count\"", "\"busy_seconds\"", "\"queue_size\"", "\"is_idle\"", "\"operators\""}) {
    EXPECT_NE(stats.find(name), std::string::npos) << name << " in " << stats;
  }
}

}  // namespace
}  // namespace gristmill::stream::test
