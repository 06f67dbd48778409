// What both workers saw of a group becomes one group, and its memory that of one; the answer is the same however many of the groups both saw.

#include <arrow/builder.h>

#include "aggregate_driver.h"

namespace gristmill::exec {
namespace {

using namespace testing;  // NOLINT: the driver

constexpr int64_t kRows = 30'000;

// Groups `from` .. `from` + kRows, each once, with a long key and a sum.
Batch rows_from(int64_t from) {
  arrow::StringViewBuilder key;
  arrow::DoubleBuilder value;
  for (int64_t i = from; i < from + kRows; ++i) {
    EXPECT_TRUE(key.Append("the key of a group with some length, number " + std::to_string(i)).ok());
    EXPECT_TRUE(value.Append(static_cast<double>(i % 1000) * 1e-3).ok());
  }
  Batch b;
  b.rows = kRows;
  b.columns = {Column::flat(ok(key.Finish())->data()), Column::flat(ok(value.Finish())->data())};
  return b;
}

struct Merged {
  int64_t consumed_bytes = 0, merged_bytes = 0;
  Table rows;
};

// A worker for each batch.
Merged merge(const std::vector<Batch>& batches, bool keeps_values) {
  AggregateSpec spec;
  const auto text = input(0, arrow::utf8_view()), x = input(1, arrow::float64());
  spec.keys = {text};
  spec.aggregates = {aggregate("sum", {x}), aggregate("max", {text}), aggregate("count", {})};
  if (keeps_values) {
    spec.aggregates.push_back(aggregate("median", {x}));
    spec.aggregates.back().type = arrow::float64();
  }
  base::ProcessBudget process(int64_t{4} << 30);
  const QueryContext context = context_of({.workers = static_cast<int>(batches.size())}, &process);
  Breaker breaker = ok(make_aggregate(spec, context));
  std::vector<std::unique_ptr<LocalState>> locals;
  for (size_t i = 0; i < batches.size(); ++i) {
    locals.push_back(ok(breaker.sink->make_local(context)));
    EXPECT_TRUE(feed(*breaker.sink, *locals.back(), batches[i], i, 4096).ok());
  }
  Merged out;
  for (auto& local : locals) EXPECT_TRUE(breaker.sink->combine(*local).ok());
  locals.clear();
  EXPECT_TRUE(breaker.sink->finalize().ok());
  out.consumed_bytes = context.memory->used();
  for (const auto& phase : breaker.phases) {
    const int64_t pieces = ok(phase->start(context));
    for (int64_t p = 0; p < pieces; ++p) EXPECT_TRUE(phase->run(p).ok());
    EXPECT_TRUE(phase->finish().ok());
  }
  out.merged_bytes = context.memory->used();
  const int64_t morsels = ok(breaker.source->start(context));
  auto reader = ok(breaker.source->make_local(context));
  std::vector<Batch> read;
  for (int64_t m = 0; m < morsels; ++m) {
    RowCounts counts;
    const auto take = [&](Batch b) {
      read.push_back(std::move(b));
      return arrow::Status::OK();
    };
    EXPECT_TRUE(breaker.source->read(static_cast<uint64_t>(m), *reader, take, counts).ok());
  }
  out.rows = cells(read);
  return out;
}

TEST(AggregateMerge, GroupsThatSeveralWorkersSawAreHeldOnce) {
  const Batch rows = rows_from(0);
  const Merged one = merge({rows}, false);
  const Merged three = merge({rows, rows, rows}, false);
  EXPECT_GT(three.consumed_bytes, one.consumed_bytes * 5 / 2);
  EXPECT_LT(three.merged_bytes, one.merged_bytes * 5 / 4);
  ASSERT_EQ(three.rows.size(), one.rows.size());
  for (size_t g = 0; g < one.rows.size(); ++g) {
    EXPECT_EQ(three.rows[g][0], one.rows[g][0]);
    EXPECT_EQ(three.rows[g][2], one.rows[g][2]);
    EXPECT_EQ(three.rows[g][3], "3");
  }
}

// Some in common: as many as lets them be copied, and as few as lets them be taken over.
TEST(AggregateMerge, SomeGroupsInCommon) {
  for (const bool keeps_values : {false, true}) {
    for (const int64_t apart : {kRows / 8, kRows / 2 + 100, kRows - 1000, kRows}) {
      const Merged merged = merge({rows_from(0), rows_from(apart)}, keeps_values);
      ASSERT_EQ(merged.rows.size(), static_cast<size_t>(kRows + apart)) << apart;
      for (int64_t g = 0; g < kRows + apart; ++g) {
        const auto& row = merged.rows[static_cast<size_t>(g)];
        const bool both = g >= apart && g < kRows;
        const double value = static_cast<double>(g % 1000) * 1e-3;
        ASSERT_EQ(row[0], "the key of a group with some length, number " + std::to_string(g));
        ASSERT_EQ(row[1], double_cell(both ? 2 * value : value)) << g;
        ASSERT_EQ(row[2], row[0]);
        ASSERT_EQ(row[3], both ? "2" : "1") << g;
        if (keeps_values) {
          ASSERT_EQ(row[4], double_cell(value)) << g;
        }
      }
    }
  }
}

// A morsel of groups read back from disk, in any order, takes this worker's share of the limit, texts and all: what is read cannot be spilled.
TEST(AggregateMerge, MorselsOfGroupsWithLongTextsKeepToTheLimit) {
  constexpr int64_t kCap = int64_t{48} << 20, kGroups = 40'000, kText = 1500;
  AggregateSpec spec;
  const auto text = input(0, arrow::utf8_view());
  spec.keys = {text};
  spec.aggregates = {aggregate("count", {})};
  spec.ordered = false;
  base::ProcessBudget process(int64_t{4} << 30);
  const QueryContext context = context_of({.workers = 2, .cap = kCap}, &process);
  Breaker breaker = ok(make_aggregate(spec, context));
  auto local = ok(breaker.sink->make_local(context));
  for (int64_t at = 0; at < kGroups; at += 1000) {
    arrow::StringViewBuilder key;
    for (int64_t i = at; i < at + 1000; ++i) {
      const std::string name = std::to_string(i);
      EXPECT_TRUE(key.Append(std::string(static_cast<size_t>(kText), 'x') + name).ok());
    }
    Batch b;
    b.rows = 1000;
    b.columns = {Column::flat(ok(key.Finish())->data())};
    ASSERT_TRUE(feed(*breaker.sink, *local, b, static_cast<uint64_t>(at), 1000).ok());
  }
  ASSERT_TRUE(breaker.sink->combine(*local).ok());
  local.reset();
  ASSERT_TRUE(breaker.sink->finalize().ok());
  for (const auto& phase : breaker.phases) {
    const int64_t pieces = ok(phase->start(context));
    for (int64_t p = 0; p < pieces; ++p) ASSERT_TRUE(phase->run(p).ok());
    ASSERT_TRUE(phase->finish().ok());
  }
  EXPECT_GT(context.memory->spilled_bytes(), 0);
  const int64_t morsels = ok(breaker.source->start(context));
  auto reader = ok(breaker.source->make_local(context));
  int64_t rows = 0, most = 0;
  for (int64_t m = 0; m < morsels; ++m) {
    RowCounts counts;
    int64_t here = 0;
    const auto count = [&](const Batch& b) {
      here += b.rows;
      return arrow::Status::OK();
    };
    ASSERT_TRUE(breaker.source->read(static_cast<uint64_t>(m), *reader, count, counts).ok());
    rows += here;
    most = std::max(most, here);
  }
  EXPECT_EQ(rows, kGroups);
  EXPECT_LT(most * kText, kCap / 4);
}

}  // namespace
}  // namespace gristmill::exec
