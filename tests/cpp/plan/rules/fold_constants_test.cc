#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

expr::NodePtr boolean(bool v) { return expr::literal(v); }
expr::NodePtr either(expr::NodePtr a, expr::NodePtr b) { return expr::call("or", {std::move(a), std::move(b)}); }

TEST(FoldConstants, ComputesLiteralSubtrees) {
  EXPECT_EQ(after(fold_constants, filter(scan("t", "a:int64"), gt(c("a"), add(lit(1), lit(2))))),
            "filter a > 3\n"
            "  scan t columns [a]\n");
}

TEST(FoldConstants, LeavesWhatFailsToTheRowThatNeedsIt) {
  const auto max = expr::literal(std::numeric_limits<int64_t>::max());
  expect_unchanged(fold_constants, filter(scan("t", "a:int64"), gt(c("a"), add(max, max))));
}

TEST(FoldConstants, KeepsTheTypeThatALiteralHadBesideOthers) {
  const auto before = project(scan("t", "a:int8"), {add(c("a"), add(lit(1), lit(2)))});
  EXPECT_EQ(after(fold_constants, before),
            "project a + 3 as a\n"
            "  scan t columns [a]\n");
}

TEST(FoldConstants, DropsTrueAndFalseInLogic) {
  const auto a = gt(c("a"), lit(1));
  const auto t = scan("t", "a:int64");
  EXPECT_EQ(after(fold_constants, filter(t, both(boolean(true), a))), "filter a > 1\n  scan t columns [a]\n");
  EXPECT_EQ(after(fold_constants, filter(t, either(a, boolean(false)))), "filter a > 1\n  scan t columns [a]\n");
  EXPECT_EQ(after(fold_constants, filter(t, both(a, boolean(false)))), "filter false\n  scan t columns [a]\n");
  EXPECT_EQ(after(fold_constants, filter(t, either(boolean(true), a))), "scan t columns [a]\n");
}

TEST(FoldConstants, KeepsAFallibleSideBeforeALiteralOnly) {
  const auto fails = gt(add(c("a"), c("a")), lit(1));
  const auto t = scan("t", "a:int64");
  expect_unchanged(fold_constants, filter(t, both(fails, boolean(false))));
  EXPECT_EQ(after(fold_constants, filter(t, both(boolean(false), fails))), "filter false\n  scan t columns [a]\n");
}

TEST(FoldConstants, KeepsAnOutputWhoseFieldWouldChange) {
  expect_unchanged(fold_constants, project(scan("t", "b:bool!"), {as(both(c("b"), boolean(true)), "x")}));
}

TEST(FoldConstants, ReachesJoinSortAndAggregateExpressions) {
  const auto three = add(lit(1), lit(2));
  auto p = ok(make_join(scan("l", "k:int64"), scan("r", "j:int64"), JoinKind::kSemi, {add(c("k"), three)}, {c("j")}, false));
  p = ok(make_sort(p, {{add(c("k"), three)}}));
  p = aggregate(p, {as(add(c("k"), three), "g")}, {as(agg("max", add(c("k"), three)), "m")});
  EXPECT_EQ(after(fold_constants, p),
            "aggregate by k + 3 as g: max(k + 3) as m\n"
            "  sort by k + 3\n"
            "    join semi on k + 3 = j columns [k]\n"
            "      scan l columns [k]\n"
            "      scan r columns [j]\n");
}

}  // namespace
}  // namespace gristmill::plan
