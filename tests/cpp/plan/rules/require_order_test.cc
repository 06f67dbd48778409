#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

arrow::Result<PlanPtr> ordered_root(const PlanPtr& p) { return require_order(p, true); }
arrow::Result<PlanPtr> blind_root(const PlanPtr& p) { return require_order(p, false); }

PlanPtr grouped() { return aggregate(scan("t", "a:int64 x:float64"), {c("a")}, {as(agg("max", c("x")), "m")}); }

TEST(RequireOrder, LeavesAPlanWhoseRowsAreSeen) { expect_unchanged(ordered_root, grouped()); }

TEST(RequireOrder, FreesGroupsUnderAGlobalAggregateThatIsBlind) {
  EXPECT_EQ(after(ordered_root, aggregate(grouped(), {}, {agg("max", c("m")), expr::aggregate("count", {})})),
            "aggregate: max(m) as m, count() as count\n"
            "  aggregate by a: max(x) as m in any order\n"
            "    scan t columns [a, x]\n");
}

TEST(RequireOrder, KeepsOrderUnderFirstAndLast) { expect_unchanged(ordered_root, aggregate(grouped(), {}, {agg("first", c("m"))})); }

TEST(RequireOrder, KeepsOrderUnderWhatMayFailRowByRow) {
  expect_unchanged(ordered_root, aggregate(grouped(), {}, {agg("max", add(c("a"), c("a")))}));
  expect_unchanged(ordered_root, aggregate(filter(grouped(), gt(add(c("a"), c("a")), lit(1))), {}, {agg("max", c("m"))})->inputs[0]);
  const auto p = ok(ordered_root(aggregate(filter(grouped(), gt(add(c("a"), c("a")), lit(1))), {}, {agg("max", c("m"))})));
  EXPECT_FALSE(p->inputs[0]->ordered);
  EXPECT_TRUE(p->inputs[0]->inputs[0]->ordered);
}

TEST(RequireOrder, KeepsOrderUnderLimitsAndTopN) {
  const auto p = ok(ordered_root(aggregate(limit(grouped(), 3), {}, {agg("max", c("m"))})));
  EXPECT_TRUE(p->inputs[0]->inputs[0]->ordered);
  const auto q = ok(ordered_root(aggregate(ok(top_n(limit(sort(grouped(), "m"), 3))), {}, {agg("max", c("m"))})));
  EXPECT_TRUE(q->inputs[0]->inputs[0]->inputs[0]->ordered);
}

TEST(RequireOrder, FreesGroupsThatASortTellsApart) {
  EXPECT_FALSE(ok(ordered_root(sort(grouped(), "a")))->inputs[0]->ordered);
  EXPECT_TRUE(ok(ordered_root(sort(grouped(), "m")))->inputs[0]->ordered);
  const auto both_keys = aggregate(scan("t", "a:int64 b:int64 x:float64"), {c("a"), c("b")}, {as(agg("max", c("x")), "m")});
  EXPECT_TRUE(ok(ordered_root(sort(both_keys, "a")))->inputs[0]->ordered);
  EXPECT_FALSE(ok(ordered_root(ok(make_sort(both_keys, {{c("m")}, {c("b")}, {c("a")}}))))->inputs[0]->ordered);
  const auto renamed = project(both_keys, {as(c("a"), "p"), as(c("b"), "q"), c("m")});
  EXPECT_FALSE(ok(ordered_root(ok(make_sort(renamed, {{c("q")}, {c("p")}}))))->inputs[0]->inputs[0]->ordered);
  EXPECT_FALSE(ok(ordered_root(ok(top_n(limit(sort(grouped(), "a"), 3)))))->inputs[0]->inputs[0]->ordered);
}

TEST(RequireOrder, FreesRowsThatASortByAllTheirColumnsLeavesEqual) {
  const auto best = [](const std::string& columns, std::vector<SortBy> by) {
    return ok(ordered_root(ok(top_n(limit(ok(make_sort(join(scan("l", columns), scan("r", "k:int64"), JoinKind::kInner), by)), 3)))));
  };
  EXPECT_FALSE(best("k:int64 s:string", {{c("s")}, {c("k")}})->inputs[0]->inputs[0]->ordered);
  EXPECT_TRUE(best("k:int64 s:string", {{c("s")}})->inputs[0]->inputs[0]->ordered);
  EXPECT_TRUE(best("k:int64 x:float64", {{c("x")}, {c("k")}})->inputs[0]->inputs[0]->ordered);
}

TEST(RequireOrder, FreesTheRightSideOfSemiAndAntiJoins) {
  const auto keys = ok(make_project(grouped(), {as(c("a"), "k")}));
  EXPECT_EQ(after(ordered_root, join(scan("l", "k:int64"), keys, JoinKind::kAnti)),
            "join anti on k = k columns [k]\n"
            "  scan l columns [k]\n"
            "  project a as k\n"
            "    aggregate by a: max(x) as m in any order\n"
            "      scan t columns [a, x]\n");
  expect_unchanged(ordered_root, join(scan("l", "k:int64"), keys, JoinKind::kLeft));
}

TEST(RequireOrder, HandsTheWishOfTheRootDown) {
  EXPECT_EQ(after(blind_root, join(grouped(), scan("r", "a:int64"), JoinKind::kInner, "a")),
            "join inner on a = a columns [a, m] in any order\n"
            "  aggregate by a: max(x) as m in any order\n"
            "    scan t columns [a, x]\n"
            "  scan r columns [a]\n");
}

TEST(RequireOrder, TakesBackAMarkThatNoLongerHolds) {
  const auto freed = ok(blind_root(grouped()));
  EXPECT_EQ(explain(*ok(ordered_root(freed))), explain(*grouped()));
}

TEST(DropSort, RemovesASortThatNobodySees) {
  const auto p = aggregate(sort(scan("t", "a:int64 x:float64"), "x"), {}, {agg("max", c("a"))});
  EXPECT_EQ(after(drop_sort, ok(require_order(p, true))),
            "aggregate: max(a) as a\n"
            "  scan t columns [a, x]\n");
  expect_unchanged(drop_sort, p);
}

TEST(DropSort, KeepsATopNAndFallibleKeys) {
  const auto t = scan("t", "a:int64 x:float64");
  expect_unchanged(drop_sort, ok(require_order(aggregate(ok(top_n(limit(sort(t, "x"), 3))), {}, {agg("max", c("a"))}), true)));
  expect_unchanged(drop_sort, ok(require_order(aggregate(ok(make_sort(t, {{add(c("a"), c("a"))}})), {}, {agg("max", c("a"))}), true)));
}

}  // namespace
}  // namespace gristmill::plan
