// Tables of one worker fill up at about the same time: what all of them take at once stays a small part of the limit, as nobody can reserve it
// beforehand.

#include <arrow/builder.h>

#include "aggregate_driver.h"

namespace gristmill::exec {
namespace {

using namespace testing;  // NOLINT: the driver

constexpr int64_t kBatchRows = 8192;

// New groups with long keys.
Batch groups_from(int64_t from) {
  arrow::StringViewBuilder key;
  arrow::DoubleBuilder value;
  for (int64_t i = from; i < from + kBatchRows; ++i) {
    EXPECT_TRUE(key.Append("the key of a group with some length, number " + std::to_string(i)).ok());
    EXPECT_TRUE(value.Append(static_cast<double>(i)).ok());
  }
  Batch b;
  b.rows = kBatchRows;
  b.columns = {Column::flat(ok(key.Finish())->data()), Column::flat(ok(value.Finish())->data())};
  return b;
}

// The most that one batch added to what is held.
int64_t largest_step(int64_t cap, int batches) {
  AggregateSpec spec;
  const auto text = input(0, arrow::utf8_view()), x = input(1, arrow::float64());
  spec.keys = {text};
  spec.aggregates = {aggregate("sum", {x}), aggregate("max", {text}), aggregate("count", {}), aggregate("median", {x})};
  spec.aggregates.back().type = arrow::float64();  // so that no row waits for its group
  base::ProcessBudget process(int64_t{4} << 30);
  const QueryContext context = context_of({.workers = 2, .cap = cap}, &process);
  Breaker breaker = ok(make_aggregate(spec, context));
  auto local = ok(breaker.sink->make_local(context));
  int64_t largest = 0;
  for (int i = 0; i < batches; ++i) {
    const Batch batch = groups_from(i * kBatchRows);
    const int64_t before = context.memory->used();
    EXPECT_TRUE(feed(*breaker.sink, *local, batch, static_cast<uint64_t>(i), 0).ok());
    largest = std::max(largest, context.memory->used() - before);
  }
  EXPECT_EQ(context.memory->spilled_bytes(), 0);
  EXPECT_TRUE(breaker.sink->combine(*local).ok());
  return largest;
}

TEST(AggregatePieces, OneBatchTakesASmallPartOfTheLimit) {
  constexpr int64_t kCap = int64_t{384} << 20;
  EXPECT_LT(largest_step(kCap, 64), kCap / 12);
}

TEST(AggregatePieces, OneBatchTakesLittleWithoutALimitToo) { EXPECT_LT(largest_step(0, 64), int64_t{32} << 20); }

}  // namespace
}  // namespace gristmill::exec
