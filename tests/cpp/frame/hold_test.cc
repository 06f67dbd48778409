// Held rows: the same rows in the same order as the query they came from, wherever their blocks lie.

#include <atomic>
#include <random>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "gristmill/hold.h"
#include "gristmill/udf.h"

namespace gristmill {
namespace {

std::shared_ptr<arrow::Table> random_table(int64_t rows, unsigned seed) {
  std::mt19937 random(seed);
  arrow::Int64Builder id;
  arrow::StringBuilder text;
  arrow::DoubleBuilder number;
  arrow::ListBuilder list(arrow::default_memory_pool(), std::make_shared<arrow::StringBuilder>());
  auto* items = static_cast<arrow::StringBuilder*>(list.value_builder());
  for (int64_t i = 0; i < rows; ++i) {
    EXPECT_TRUE(id.Append(i).ok());
    EXPECT_TRUE(
        (random() % 9 == 0 ? text.AppendNull() : text.Append(std::string(random() % 30, 'a') + std::to_string(random() % 50))).ok());
    EXPECT_TRUE((random() % 7 == 0 ? number.AppendNull() : number.Append(static_cast<double>(random()) / 7)).ok());
    EXPECT_TRUE(list.Append().ok());
    for (unsigned n = random() % 3; n > 0; --n) EXPECT_TRUE(items->Append("item " + std::to_string(random() % 5)).ok());
  }
  const auto schema = arrow::schema({arrow::field("id", arrow::int64(), false), arrow::field("text", arrow::utf8()),
                                     arrow::field("number", arrow::float64()), arrow::field("list", arrow::list(arrow::utf8()))});
  return arrow::Table::Make(schema, {*id.Finish(), *text.Finish(), *number.Finish(), *list.Finish()});
}

TEST(Hold, GivesTheRowsOfTheQueryAsOftenAsWanted) {
  const auto table = random_table(40'000, 11);
  const Frame query = from_arrow(table).filter(col("id") % 3 != 0).with_columns({(col("number") * 2).alias("twice")});
  const auto expected = *(*query.collect({.num_workers = 1})).arrow();
  for (const int workers : {1, 2, 8}) {
    for (const int64_t memory : {int64_t{0}, int64_t{300'000}, int64_t{1} << 30}) {
      for (const int64_t batch : {0, 100}) {
        const ParallelOptions options{.num_workers = workers, .chunk_rows = 2000, .batch_rows = batch, .min_parallel_rows = 0};
        const auto held = hold(query, options, {}, {.memory_bytes = memory});
        ASSERT_TRUE(held.ok()) << base::describe_error(held.status());
        EXPECT_EQ(held->rows, expected->num_rows());
        EXPECT_EQ(held->spilled_bytes > 0, memory < (int64_t{1} << 30));
        EXPECT_TRUE((*held->frame.schema())->Equals(*expected->schema()));
        for (int turn = 0; turn < 2; ++turn) {
          const auto again = *(*held->frame.collect(options)).arrow();
          EXPECT_TRUE(again->Equals(*expected)) << workers << " workers, " << memory << " bytes";
        }
        const auto some = *(*held->frame.filter(col("text").is_not_null()).select({col("id").max(), count()}).collect(options)).arrow();
        const auto same = *(*query.filter(col("text").is_not_null()).select({col("id").max(), count()}).collect()).arrow();
        EXPECT_TRUE(some->Equals(*same));
      }
    }
  }
}

TEST(Hold, TakesNoRowsAndManyTimesItsMemory) {
  const Frame none = from_arrow(random_table(10, 1)).filter(col("id") < 0);
  const auto held = hold(none);
  ASSERT_TRUE(held.ok());
  EXPECT_EQ(held->rows, 0);
  EXPECT_EQ((*held->frame.collect()).num_rows(), 0);
  const auto grouped = hold(from_arrow(random_table(60'000, 5)).group_by({"id"}).agg({col("text").max()}),
                            {.num_workers = 2, .memory_limit = int64_t{48} << 20}, {}, {.memory_bytes = 1000});
  ASSERT_TRUE(grouped.ok()) << base::describe_error(grouped.status());
  EXPECT_EQ(grouped->rows, 60'000);
  EXPECT_GT(grouped->spilled_bytes, 0);
  const auto joined = grouped->frame.join(grouped->frame, {.on = {"id"}}).select({count()}).collect();
  ASSERT_TRUE(joined.ok()) << base::describe_error(joined.status());
}

TEST(Hold, KeepsTheErrorAndStaysInItsProcess) {
  const Frame bad =
      from_arrow(random_table(100, 3)).select({(col("id") / 1).cast(arrow::int8()), col("text").cast(arrow::int64()).alias("t")});
  EXPECT_FALSE(hold(bad).ok());
  const auto held = hold(from_arrow(random_table(100, 3)));
  ASSERT_TRUE(held.ok());
  const auto text = held->frame.serialize();
  ASSERT_FALSE(text.ok());
  EXPECT_NE(base::describe_error(text.status()).find("cannot leave its process"), std::string::npos);
}

// Two groupings of the same rows, one of them of groups again, each over other columns and one behind a filter.
std::vector<Frame> groupings(const Frame& rows) {
  return {rows.group_by({"text"}).agg({col("number").sum(), count().alias("rows")}),
          rows.filter(col("id") % 2 == 0)
              .with_columns({(col("id") % 1000).alias("hour")})
              .group_by({"hour", "text"})
              .agg({col("number").max()})
              .group_by({"text"})
              .agg({col("number").sum(), col("hour").min()})};
}

TEST(HoldTogether, ReadsOnceWhatAllOfThemGroup) {
  const auto table = random_table(50'000, 17);
  const auto seen = std::make_shared<std::atomic<int64_t>>(0);
  const auto noted = udf<int64_t(int64_t)>("noted", [seen](int64_t id) {
    ++*seen;
    return id;
  });
  const Frame plain = from_arrow(table).filter(col("id") % 5 != 0);
  std::vector<std::shared_ptr<arrow::Table>> expected;
  for (const Frame& frame : groupings(plain)) expected.push_back(*(*frame.collect({.num_workers = 1})).arrow());
  const Frame counted = plain.with_columns({noted(col("id")).alias("id")});
  for (const int workers : {1, 2, 8}) {
    for (const int64_t limit : {int64_t{0}, int64_t{24} << 20}) {
      *seen = 0;
      const ParallelOptions options{
          .num_workers = workers, .chunk_rows = 2000, .batch_rows = 300, .min_parallel_rows = 0, .memory_limit = limit};
      const auto held = hold_together(groupings(counted), options, {}, {.memory_bytes = 1000});
      ASSERT_TRUE(held.ok()) << base::describe_error(held.status());
      EXPECT_EQ(*seen, 40'000);
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ((*held)[i].rows, expected[i]->num_rows());
        EXPECT_TRUE((**(*(*held)[i].frame.collect()).arrow()).Equals(*expected[i])) << i;
      }
    }
  }
}

TEST(HoldTogether, RunsOtherFramesOneAfterTheOther) {
  const Frame rows = from_arrow(random_table(3000, 18));
  for (const std::vector<Frame>& frames :
       {std::vector<Frame>{rows.filter(col("id") < 50), rows.group_by({"text"}).agg({count()})},
        std::vector<Frame>{rows.group_by({"text"}).agg({count()}), from_arrow(random_table(10, 1)).group_by({"text"}).agg({count()})},
        std::vector<Frame>{rows.join(rows, {.on = {"id"}}).group_by({"text"}).agg({count()}), rows.sort({asc("text")})},
        std::vector<Frame>{rows.head(7).group_by({"text"}).agg({count()}), rows.head(7).sort({asc("id")}).group_by({"id"}).agg({count()})},
        std::vector<Frame>{rows.group_by({"text"}).agg({count()})}, std::vector<Frame>{}}) {
    const auto held = hold_together(frames);
    ASSERT_TRUE(held.ok()) << base::describe_error(held.status());
    ASSERT_EQ(held->size(), frames.size());
    for (size_t i = 0; i < frames.size(); ++i) {
      EXPECT_TRUE((**(*(*held)[i].frame.collect()).arrow()).Equals(**(*frames[i].collect()).arrow())) << i;
    }
  }
}

// Whichever of them fails, the row is the first one that fails in any.
TEST(HoldTogether, NamesTheFirstRowThatFails) {
  arrow::Int64Builder id;
  arrow::StringBuilder a, b;
  for (int64_t i = 0; i < 9000; ++i) {
    EXPECT_TRUE(id.Append(i % 7).ok());
    EXPECT_TRUE(a.Append(i == 5000 ? "five thousand" : "1").ok());
    EXPECT_TRUE(b.Append(i == 4321 ? "less" : "2").ok());
  }
  const Frame rows = from_arrow(arrow::Table::Make(
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("a", arrow::utf8()), arrow::field("b", arrow::utf8())}),
      {*id.Finish(), *a.Finish(), *b.Finish()}));
  const auto sum = [&](const char* name) { return rows.group_by({"id"}).agg({col(name).cast(arrow::int64()).sum()}); };
  for (const int workers : {1, 4}) {
    for (const int64_t batch : {0, 100}) {
      const ParallelOptions options{.num_workers = workers, .chunk_rows = 1000, .batch_rows = batch, .min_parallel_rows = 0};
      for (const std::vector<Frame>& frames : {std::vector<Frame>{sum("a"), sum("b")}, std::vector<Frame>{sum("b"), sum("a")}}) {
        const auto held = hold_together(frames, options);
        ASSERT_FALSE(held.ok());
        EXPECT_EQ(base::describe_error(held.status()), base::describe_error(sum("b").collect(options).status()));
        EXPECT_NE(base::describe_error(held.status()).find("less"), std::string::npos);
      }
    }
  }
}

}  // namespace
}  // namespace gristmill
