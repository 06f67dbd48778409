// Joins with a condition beside equal keys, and without keys, against nested loops; and what happens when the condition fails.

#include "base/status.h"
#include "exec/join_cases.h"

namespace gristmill::exec::testing {
namespace {

// The columns behind the keys: a number of the row (never null) and a text.
int number_column(const JoinCase& c) { return static_cast<int>(c.left_types.size()) - 2; }

int64_t number_at(const Batch& b, size_t column, int64_t row) { return column::values_of<int64_t>(*b.columns[column].values)[row]; }

void add_residual(JoinCase& c, int64_t modulus) {
  const size_t at = static_cast<size_t>(number_column(c));
  const std::string l = "l" + std::to_string(at), r = "r" + std::to_string(at);
  const auto part = [&](const std::string& name) {
    return expr::cast(expr::call("mod", {expr::column(name), expr::literal(modulus)}), arrow::int64(), true);
  };
  c.residual = expr::call("lt", {part(l), part(r)});
  c.residual_twin = [=](const Batch& a, int64_t i, const Batch& b, int64_t j) {
    return number_at(a, at, i) % modulus < number_at(b, at, j) % modulus;
  };
}

TEST(JoinResidual, GivesTheRowsOfNestedLoops) {
  uint64_t seed = 9000;
  const std::vector<std::vector<TypePtr>> keys = {types_of({"int64"}), types_of({"string"}), types_of({"bool"}), types_of({"int32", "string"})};
  for (const auto& types : keys) {
    for (JoinKind kind : kKinds) {
      if (kind == JoinKind::kInner) continue;
      for (int round = 0; round < 5; ++round, ++seed) {
        Cases cases(seed);
        JoinCase c = cases.make(kind, types);
        add_residual(c, 1 + cases.random().below(9));
        SCOPED_TRACE("kind " + std::to_string(static_cast<int>(kind)));
        check_every_way(c, seed);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

// Rows that many others go with, or few, and either side built: the numbers of the rows differ, or the left one is the smaller by some.
TEST(JoinResidual, ThatCannotFailGivesTheSameRowsWhicheverSideIsBuilt) {
  for (uint64_t seed = 9300; seed < 9360; ++seed) {
    Cases cases(seed);
    const JoinKind kind = seed % 2 == 0 ? JoinKind::kSemi : JoinKind::kAnti;
    JoinCase c = cases.make(kind, seed % 3 == 0 ? types_of({"string"}) : types_of({"int64"}));
    const size_t at = static_cast<size_t>(number_column(c));
    const std::string function = cases.random().pick<std::string>({"ne", "lt", "eq"});
    c.residual = expr::call(function, {expr::column("l" + std::to_string(at)), expr::column("r" + std::to_string(at))});
    c.residual_twin = [=](const Batch& a, int64_t i, const Batch& b, int64_t j) {
      const int64_t l = number_at(a, at, i), r = number_at(b, at, j);
      return function == "ne" ? l != r : function == "lt" ? l < r : l == r;
    };
    ASSERT_EQ(ways_to_build(c), 2);
    check_every_way(c, seed);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

// A key that is one everywhere stands for no key.
void without_keys(JoinCase& c) {
  c.left_keys.clear();
  c.right_keys.clear();
  c.left_exprs = c.right_exprs = {expr::literal(int64_t{1})};
  c.nulls_equal = false;
}

TEST(JoinWithoutKeys, PairsEveryLeftRowWithEveryRightRow) {
  for (uint64_t seed = 9500; seed < 9530; ++seed) {
    Cases cases(seed);
    JoinCase c = cases.make(kKinds[seed % 6], types_of({"int32"}));
    without_keys(c);
    if (seed % 2 == 0 && c.kind != JoinKind::kInner) add_residual(c, 5);
    check_every_way(c, seed);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

// l.number + r.number overflows for some pairs: the error is that of the smallest left row, and rows before it are right.
TEST(JoinResidual, ThatFailsIsTheErrorOfTheSmallestLeftRowHoweverItRan) {
  for (uint64_t seed = 9600; seed < 9640; ++seed) {
    Cases cases(seed);
    const JoinKind kind = kKinds[1 + seed % 5];
    JoinCase c = cases.make(kind, types_of({"int32"}));
    const std::string at = std::to_string(number_column(c));
    // 1000 // (l - fatal): the pair fails when the left row is the fatal one; the message does not tell which, the rows before do.
    const int64_t fatal = cases.random().below(200);
    const auto divisor = expr::call("sub", {expr::column("l" + at), expr::literal(fatal)});
    c.residual = expr::call("ge", {expr::call("floor_div", {expr::column("r" + at), divisor}), expr::literal(int64_t{0})});
    std::string first;
    for (int way = 0; way < 6; ++way) {
      JoinRun run;
      run.workers = 1 + way % 3;
      run.seed = seed + static_cast<uint64_t>(way);
      run.spill_eagerly = way % 2 == 1;
      run.batch_rows = way == 2 ? 7 : 64;
      const JoinOutcome got = run_join(c, run);
      std::string text = base::describe_error(got.status) + "\n";
      if (got.status.ok()) {
        for (const auto& r : got.rows) text += r + "\n";
      } else {
        const auto detail = base::error_detail(got.status);
        ASSERT_NE(detail, nullptr);
        EXPECT_EQ(detail->kind, base::ErrorKind::kData) << got.status.ToString();
        EXPECT_EQ(detail->row, -1);
        EXPECT_EQ(detail->batch_row, -1);
        // What a limit in front of the error would have seen: delivered rows may stop early, never differ.
        text += detail->value;
      }
      if (way == 0) first = text;
      EXPECT_EQ(text, first) << "seed " << seed << " way " << way;
    }
  }
}

}  // namespace
}  // namespace gristmill::exec::testing
