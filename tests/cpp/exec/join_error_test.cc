// Join keys that can fail: the error of the smallest failing row, whatever the workers, batches and memory.

#include "base/status.h"
#include "exec/join_driver.h"
#include "expr/node.h"

namespace gristmill::exec::testing {
namespace {

Column texts(const std::vector<std::string>& v) {
  auto buffer = ok(column::allocate_zeroed(static_cast<int64_t>(v.size()) * 16, arrow::default_memory_pool()));
  auto* views = reinterpret_cast<column::View16*>(buffer->mutable_data());
  for (size_t i = 0; i < v.size(); ++i) {
    views[i].size = static_cast<uint32_t>(v[i].size());
    std::memcpy(views[i].inlined, v[i].data(), v[i].size());
  }
  return Column::flat(column::make_array(arrow::utf8_view(), static_cast<int64_t>(v.size()), nullptr, 0, buffer));
}

std::vector<Batch> table(int64_t rows, const std::vector<std::pair<int64_t, std::string>>& bad) {
  std::vector<std::string> values;
  for (int64_t i = 0; i < rows; ++i) values.push_back(std::to_string(i % 40));
  for (const auto& [row, text] : bad) values[static_cast<size_t>(row)] = text;
  Batch b;
  b.rows = rows;
  b.columns = {texts(values)};
  b.origin.first_row = 0;
  return {b};
}

JoinCase casting(std::vector<Batch> left, std::vector<Batch> right) {
  JoinCase c;
  c.kind = JoinKind::kInner;
  c.left_types = c.right_types = {arrow::utf8_view()};
  c.left = std::move(left);
  c.right = std::move(right);
  c.left_exprs = {expr::cast(expr::column("l0"), arrow::int64())};
  c.right_exprs = {expr::cast(expr::column("r0"), arrow::int64())};
  c.output = {0, 1};
  return c;
}

void expect_row(const JoinCase& c, int64_t row) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    JoinRun run;
    run.seed = seed;
    run.workers = 1 + static_cast<int>(seed % 4);
    run.batch_rows = seed % 3 == 0 ? 7 : 64;
    run.spill_eagerly = seed % 2 == 0;
    run.build_left = seed % 5 == 0;
    run.ordered = seed % 10 != 0;
    const JoinOutcome got = run_join(c, run);
    SCOPED_TRACE("seed " + std::to_string(seed));
    ASSERT_FALSE(got.status.ok());
    const auto detail = base::error_detail(got.status);
    ASSERT_NE(detail, nullptr) << got.status.ToString();
    EXPECT_EQ(detail->kind, base::ErrorKind::kData);
    EXPECT_EQ(detail->row, row);
    EXPECT_TRUE(got.filters.empty() || !run.filters) << "a filter must not hide a failing row";
  }
}

TEST(JoinErrors, NameTheSmallestFailingRowOfTheProbeSide) {
  expect_row(casting(table(500, {{333, "x"}, {444, "y"}}), table(100, {})), 333);
}

TEST(JoinErrors, NameTheSmallestFailingRowOfTheBuildSide) { expect_row(casting(table(100, {}), table(500, {{77, "x"}, {411, "y"}})), 77); }

TEST(JoinErrors, ComeFromProbeKeysEvenIfNothingWasBuilt) { expect_row(casting(table(90, {{5, "?"}}), {}), 5); }

TEST(JoinErrors, AreNotMadeByRowsOutsideTheSelection) {
  std::vector<Batch> left = table(50, {{20, "x"}});
  column::Mask live(50, true);
  live.clear(20);
  left[0].selection = column::Selection::from_mask(live);
  const JoinOutcome got = run_join(casting(left, table(40, {})), {});
  ASSERT_TRUE(got.status.ok()) << got.status.ToString();
  EXPECT_EQ(got.rows.size(), 49u);
}

}  // namespace
}  // namespace gristmill::exec::testing
