// Pruning: row groups are left out, rows never are.

#include "io/parquet_prune.h"

#include <cmath>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "io/parquet_scan.h"
#include "tables.h"

namespace gristmill::io::test {
namespace {

using expr::call;
using expr::column;
using expr::literal;

TEST(ParquetPruning, NeverChangesTheRows) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    TemporaryDirectory dir;
    Random random(seed);
    const auto table = random_table(seed, 700);
    FileShape shape;
    shape.row_group_rows = static_cast<int64_t>(50 + random() % 300);
    shape.page_bytes = static_cast<int64_t>(200 + random() % 5000);
    shape.dictionary = random() % 2 == 0;
    shape.bloom = {"id", "zone", "text", "i16", "u32", "day", "us", "bytes"};
    write_file(dir.path("x.parquet"), table, shape);
    const auto pruned = *scan_parquet({dir.path("x.parquet")}), whole = *scan_parquet({dir.path("x.parquet")}, {.prune = false});
    const auto slow = *scan_parquet({dir.path("x.parquet")}, {.own_decoder = false});
    for (int round = 0; round < 12; ++round) {
      const auto predicate = random_predicate(random, *table);
      SCOPED_TRACE("seed " + std::to_string(seed) + " round " + std::to_string(round) + ": " + expr::text(*predicate));
      ScanRun run;
      run.predicate = predicate;
      const auto wanted = filtered(table, predicate);
      for (const auto& source : {pruned, whole, slow}) {
        run.morsel_rows = static_cast<int64_t>(random() % 3) * 100;
        run.batch_rows = static_cast<int64_t>(random() % 3) * 33;
        run.locals = 2;
        run.seed = random() | 1;
        const auto got = run_scan(*source, run);
        ASSERT_TRUE(got.ok()) << error_of(got.status());
        ASSERT_TRUE(same_rows(*got->table, *wanted)) << got->detail;
      }
    }
  }
}

// Three row groups: 0..99, 100..199, 200..299.
class Three : public ::testing::Test {
 protected:
  void SetUp() override {
    arrow::Int64Builder id;
    arrow::StringBuilder name;
    arrow::DoubleBuilder price;
    for (int64_t i = 0; i < 300; ++i) {
      ASSERT_TRUE(id.Append(i * 2).ok());
      ASSERT_TRUE(name.Append("name " + std::to_string(1000 + i)).ok());
      ASSERT_TRUE((i == 150 ? price.Append(std::nan("")) : i >= 200 ? price.AppendNull() : price.Append(static_cast<double>(i))).ok());
    }
    table_ = arrow::Table::Make(
        arrow::schema({arrow::field("id", arrow::int64()), arrow::field("name", arrow::utf8()), arrow::field("price", arrow::float64())}),
        {*id.Finish(), *name.Finish(), *price.Finish()});
    FileShape shape;
    shape.row_group_rows = 100;
    shape.bloom = {"id", "name"};
    write_file(dir_.path("x.parquet"), table_, shape);
    source_ = *scan_parquet({dir_.path("x.parquet")});
  }

  // Rows that were never decoded; the answer must be right anyway.
  int64_t skipped(const expr::NodePtr& predicate) {
    ScanRun run;
    run.predicate = predicate;
    const auto got = run_scan(*source_, run);
    EXPECT_TRUE(got.ok()) << error_of(got.status());
    EXPECT_TRUE(same_rows(*got->table, *filtered(table_, predicate))) << expr::text(*predicate);
    detail_ = got->detail;
    return got->counts.skipped;
  }

  TemporaryDirectory dir_;
  std::shared_ptr<arrow::Table> table_;
  plan::TableSourcePtr source_;
  std::string detail_;
};

TEST_F(Three, LeavesOutWhatStatisticsExclude) {
  EXPECT_EQ(skipped(call("lt", {column("id"), literal(int64_t{100})})), 200);
  EXPECT_EQ(skipped(call("gt", {literal(int64_t{450}), column("id")})), 0);
  EXPECT_EQ(skipped(call("ge", {column("id"), literal(int64_t{598})})), 200);
  EXPECT_EQ(skipped(call("between", {column("id"), literal(int64_t{210}), literal(int64_t{220})})), 200);
  EXPECT_EQ(skipped(call("eq", {column("name"), literal(std::string_view("name 1150"))})), 200);
  EXPECT_EQ(skipped(call("is_in", {column("id"), literal(int64_t{2}), literal(int64_t{402})})), 100);
  EXPECT_EQ(skipped(call("eq", {column("id"), expr::null_literal()})), 300);
  EXPECT_EQ(skipped(call("or", {call("eq", {column("id"), literal(int64_t{2})}), call("eq", {column("id"), literal(int64_t{4})})})), 200);
}

TEST_F(Three, LeavesOutWhatBloomFiltersExclude) {
  EXPECT_EQ(skipped(call("eq", {column("id"), literal(int64_t{151})})), 300);  // odd numbers: within the range, not there
  EXPECT_EQ(detail_, "row groups 0 of 3 (left out, 2 by statistics, 1 by Bloom filters)");
  EXPECT_EQ(skipped(call("is_in", {column("name"), literal(std::string_view("name 1050x")), literal(std::string_view("name 1150x"))})),
            300);
}

TEST_F(Three, CountsNulls) {
  EXPECT_EQ(skipped(call("is_null", {column("id")})), 300);
  EXPECT_EQ(skipped(call("is_null", {column("price")})), 200);
  EXPECT_EQ(skipped(call("is_not_null", {column("price")})), 100);
  EXPECT_EQ(skipped(call("ge", {column("price"), literal(0.0)})), 100);
}

TEST_F(Three, TakesNaNForTheGreatestValue) {
  // Rows 100..199 hold a NaN, which is above every number: a maximum of 199 proves nothing about "greater than".
  EXPECT_EQ(skipped(call("gt", {column("price"), literal(500.0)})), 100);
  EXPECT_EQ(skipped(call("eq", {column("price"), literal(std::nan(""))})), 100);
  EXPECT_EQ(skipped(call("eq", {column("price"), literal(500.0)})), 300);
  EXPECT_EQ(skipped(call("between", {column("price"), literal(500.0), literal(600.0)})), 300);
  EXPECT_EQ(skipped(call("and", {call("gt", {column("price"), literal(500.0)}), call("lt", {column("price"), literal(600.0)})})), 300);
  EXPECT_EQ(skipped(call("lt", {column("price"), literal(50.0)})), 200);
}

// A filter that knows a range, as a join's build side would publish it.
class RangeFilter final : public plan::RuntimeFilter {
 public:
  RangeFilter(int64_t low, int64_t high) : low_(low), high_(high) {}
  bool ready() const override { return true; }
  bool may_match_range(const arrow::Scalar& min, const arrow::Scalar& max) const override {
    return static_cast<const arrow::Int64Scalar&>(max).value >= low_ && static_cast<const arrow::Int64Scalar&>(min).value <= high_;
  }
  void narrow(const column::Column& values, int64_t rows, column::Mask& keep) const override {
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t v = column::values_of<int64_t>(*values.values)[i];
      if (v < low_ || v > high_) keep.clear(i);
    }
  }

 private:
  const int64_t low_, high_;
};

TEST_F(Three, AppliesRuntimeFilters) {
  plan::ScanRequest request;
  request.columns = {1, 0};
  request.memory = base::QueryMemory::make(0);
  request.runtime_filters = {{1, std::make_shared<RangeFilter>(210, 219)}};
  const auto scan = *source_->open(request);
  const auto local = *scan->make_local();
  plan::ScanCounts counts;
  int64_t rows = 0;
  for (uint64_t seq = 0; seq < 3; ++seq) {
    ASSERT_TRUE(scan->read(
                        seq, *local,
                        [&](column::Batch b) {
                          rows += b.selected();
                          return arrow::Status::OK();
                        },
                        counts)
                    .ok());
  }
  EXPECT_EQ(rows, 5);
  EXPECT_EQ(counts.skipped, 200);
  EXPECT_EQ(counts.filtered, 95);
}

}  // namespace
}  // namespace gristmill::io::test
