#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

PlanPtr t() { return scan("t", "a:int64 b:int64 x:float64 y:float64 l:list<int64>"); }

TEST(PushProjection, ReadsOnlyWhatIsNeeded) {
  EXPECT_EQ(after(push_projection, project(project(t(), {c("a"), as(ratio(c("x"), c("y")), "r"), c("b")}), {c("b")})),
            "project b\n"
            "  project b\n"
            "    scan t columns [b]\n");
}

TEST(PushProjection, KeepsAFallibleExpressionThatNobodyNeeds) {
  EXPECT_EQ(after(push_projection, project(project(t(), {c("a"), as(add(c("a"), c("b")), "r")}), {c("a")})),
            "project a\n"
            "  project a, a + b as r\n"
            "    scan t columns [a, b]\n");
}

TEST(PushProjection, KeepsTheColumnsOfPredicates) {
  EXPECT_EQ(after(push_projection, project(filter(t(), gt(c("a"), lit(1))), {c("b")})),
            "project b\n"
            "  filter a > 1\n"
            "    scan t columns [a, b]\n");
  EXPECT_EQ(after(push_projection, ok(push_filter(project(filter(t(), gt(c("a"), lit(1))), {c("b")})))),
            "project b\n"
            "  scan t columns [b] where a > 1\n");
}

TEST(PushProjection, DropsUnusedAggregatesUnlessTheyMayFail) {
  const auto grouped = aggregate(t(), {c("a")}, {as(agg("max", c("x")), "m"), as(agg("sum", c("y")), "s"), as(agg("sum", c("b")), "n")});
  EXPECT_EQ(after(push_projection, project(grouped, {c("m")})),
            "project m\n"
            "  aggregate by a: max(x) as m, sum(b) as n\n"
            "    scan t columns [a, b, x]\n");
}

TEST(PushProjection, KeepsOneAggregateOfAGlobalOne) {
  const auto one = aggregate(t(), {}, {as(agg("max", c("x")), "m"), as(agg("min", c("y")), "n")});
  EXPECT_EQ(after(push_projection, project(one, {as(lit(1), "one")})),
            "project 1 as one\n"
            "  aggregate: max(x) as m\n"
            "    scan t columns [x]\n");
}

TEST(PushProjection, CountsRowsWithoutColumns) {
  EXPECT_EQ(after(push_projection, project(t(), {expr::aggregate("count", {})})),
            "aggregate: count() as count\n"
            "  scan t columns []\n");
}

TEST(PushProjection, PrunesBothSidesOfAJoinAndKeepsItsNames) {
  const auto joined = join(scan("l", "k:int64 x:int64 y:int64"), scan("r", "k:int64 x:int64 y:int64 z:int64"), JoinKind::kInner);
  EXPECT_EQ(after(push_projection, project(joined, {c("x_right")})),
            "project x_right\n"
            "  join inner on k = k columns [x_right]\n"
            "    scan l columns [k]\n"
            "    scan r columns [k, x]\n");
}

TEST(PushProjection, NarrowsWhatASortHolds) {
  EXPECT_EQ(after(push_projection, project(sort(filter(t(), gt(c("x"), lit(1))), "b"), {c("a")})),
            "project a\n"
            "  sort by b\n"
            "    project a, b\n"
            "      filter x > 1\n"
            "        scan t columns [a, b, x]\n");
}

TEST(PushProjection, GivesAUnionEqualInputs) {
  const auto x = filter(scan("x", "a:int64 b:int64 c:int64"), gt(c("b"), lit(1))), y = scan("y", "a:int64 b:int64 c:int64");
  EXPECT_EQ(after(push_projection, project(unite({x, y}), {c("c")})),
            "project c\n"
            "  union\n"
            "    project c\n"
            "      filter b > 1\n"
            "        scan x columns [b, c]\n"
            "    scan y columns [c]\n");
}

TEST(PushProjection, KeepsExplodedColumns) {
  EXPECT_EQ(after(push_projection, project(ok(make_explode(t(), {"l"})), {c("a")})),
            "project a\n"
            "  explode l\n"
            "    scan t columns [a, l]\n");
}

TEST(PushProjection, LeavesARootThatShowsEverything) { expect_unchanged(push_projection, filter(t(), gt(c("a"), lit(1)))); }

}  // namespace
}  // namespace gristmill::plan
