#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

const char* const kSchema = "a:int64 b:int64 f:float64 s:string l:list<int64> m:list<int64>";

PlanPtr t() { return scan("t", kSchema); }
expr::NodePtr a1() { return gt(c("a"), lit(1)); }
expr::NodePtr b2() { return gt(c("b"), lit(2)); }
expr::NodePtr fails() { return gt(add(c("a"), c("b")), lit(3)); }

TEST(PushFilter, EntersTheScan) {
  EXPECT_EQ(after(push_filter, filter(t(), both(a1(), b2()))), "scan t columns [a, b, f, s, l, m] where (a > 1) and (b > 2)\n");
}

TEST(PushFilter, StopsAtTheFirstFallibleConjunct) {
  EXPECT_EQ(after(push_filter, filter(t(), both(both(a1(), fails()), b2()))),
            "filter ((a + b) > 3) and (b > 2)\n"
            "  scan t columns [a, b, f, s, l, m] where a > 1\n");
  expect_unchanged(push_filter, filter(t(), both(fails(), a1())));
}

TEST(PushFilter, DoesNotEnterALimitedScan) {
  const auto limited = ok(push_limit(limit(t(), 5)));
  expect_unchanged(push_filter, filter(limited, a1()));
  expect_unchanged(push_filter, filter(limited->inputs[0], a1()));
}

TEST(PushFilter, PassesAProjectionUnderOldNames) {
  EXPECT_EQ(after(push_filter, filter(project(t(), {as(c("a"), "x"), as(ratio(c("a"), c("b")), "r"), as(lit(7), "seven")}),
                                      both(gt(c("x"), c("seven")), gt(c("r"), lit(2))))),
            "filter r > 2\n"
            "  project a as x, a / b as r, 7 as seven\n"
            "    scan t columns [a, b, f, s, l, m] where a > 7\n");
}

TEST(PushFilter, StaysAboveAFallibleProjection) {
  expect_unchanged(push_filter, filter(project(t(), {c("a"), as(add(c("a"), c("b")), "x")}), a1()));
}

TEST(PushFilter, GivesLiteralsOfAProjectionTheTypeTheyHadThere) {
  const auto p = ok(push_filter(filter(project(scan("t", "a:int8"), {c("a"), as(lit(7), "seven")}), gt(c("a"), c("seven")))));
  EXPECT_FALSE(p->inputs[0]->predicate->args[1]->untyped);
}

TEST(PushFilter, PassesSortsButNotTopN) {
  EXPECT_EQ(after(push_filter, filter(sort(t(), "b"), a1())),
            "sort by b\n"
            "  scan t columns [a, b, f, s, l, m] where a > 1\n");
  expect_unchanged(push_filter, filter(ok(top_n(limit(sort(t(), "b"), 3))), a1()));
  expect_unchanged(push_filter, filter(ok(make_sort(t(), {{add(c("a"), c("b"))}})), a1()));
}

TEST(PushFilter, EntersEveryInputOfAUnion) {
  EXPECT_EQ(after(push_filter, filter(unite({scan("x", "a:int64"), scan("y", "a:int64")}), a1())),
            "union\n"
            "  scan x columns [a] where a > 1\n"
            "  scan y columns [a] where a > 1\n");
}

TEST(PushFilter, EntersBothSidesOfAnInnerJoin) {
  const auto l = scan("l", "k:int64 x:int64"), r = scan("r", "k:int64 x:int64 y:int64");
  const auto p = both(both(gt(c("x"), lit(1)), gt(c("x_right"), lit(2))), both(gt(c("k"), lit(3)), gt(c("x"), c("y"))));
  EXPECT_EQ(after(push_filter, filter(join(l, r, JoinKind::kInner), p)),
            "filter x > y\n"
            "  join inner on k = k columns [k, x, x_right, y]\n"
            "    scan l columns [k, x] where (x > 1) and (k > 3)\n"
            "    scan r columns [k, x, y] where x > 2\n");
}

TEST(PushFilter, EntersOnlyTheLeftSideOfOtherJoins) {
  const auto l = scan("l", "k:int64 x:int64"), r = scan("r", "k:int64 y:int64");
  EXPECT_EQ(after(push_filter, filter(join(l, r, JoinKind::kLeft), both(gt(c("x"), lit(1)), gt(c("y"), lit(2))))),
            "filter y > 2\n"
            "  join left on k = k columns [k, x, y]\n"
            "    scan l columns [k, x] where x > 1\n"
            "    scan r columns [k, y]\n");
  EXPECT_EQ(after(push_filter, filter(join(l, r, JoinKind::kAnti), gt(c("x"), lit(1)))),
            "join anti on k = k columns [k, x]\n"
            "  scan l columns [k, x] where x > 1\n"
            "  scan r columns [k, y]\n");
}

TEST(PushFilter, EntersTheRightSideOfARightJoinAndNeitherOfAFullOne) {
  const auto l = scan("l", "k:int64 x:int64"), r = scan("r", "k:int64 y:int64");
  const auto p = both(both(gt(c("x"), lit(1)), gt(c("y"), lit(2))), gt(c("k"), lit(3)));
  EXPECT_EQ(after(push_filter, filter(join(l, r, JoinKind::kRight), p)),
            "filter x > 1\n"
            "  join right on k = k columns [k, x, y]\n"
            "    scan l columns [k, x]\n"
            "    scan r columns [k, y] where (y > 2) and (k > 3)\n");
  expect_unchanged(push_filter, filter(ok(make_join(l, r, JoinKind::kFull, {c("k")}, {c("k")}, false)), p));
}

TEST(PushFilter, EntersTheLeftSideOfAnAsofJoin) {
  const auto l = scan("l", "t:int64 x:int64"), r = scan("r", "t:int64 y:int64");
  const auto joined = ok(make_asof_join(l, r, {c("t"), c("t"), AsofStrategy::kBackward, true, nullptr}, {}, {}, true, true));
  EXPECT_EQ(after(push_filter, filter(joined, both(gt(c("x"), lit(1)), gt(c("y"), lit(2))))),
            "filter y > 2\n"
            "  join asof backward on t ~ t columns [t, x, y]\n"
            "    scan l columns [t, x] where x > 1\n"
            "    scan r columns [t, y]\n");
}

TEST(PushFilter, StaysAboveAConditionThatMayFail) {
  const auto l = scan("l", "k:int64 x:int64"), r = scan("r", "k:int64 y:int64");
  const auto condition = gt(add(c("x"), c("y")), lit(9));
  const auto joined = ok(make_join(l, r, JoinKind::kLeft, {c("k")}, {c("k")}, true, false, "_right", condition));
  expect_unchanged(push_filter, filter(joined, gt(c("x"), lit(1))));
}

TEST(PushFilter, StaysAboveFallibleKeys) {
  const auto l = scan("l", "k:int64 x:int64"), r = scan("r", "k:int64 y:int64");
  const auto joined = ok(make_join(l, r, JoinKind::kInner, {add(c("k"), c("x"))}, {c("k")}, false));
  expect_unchanged(push_filter, filter(joined, gt(c("x"), lit(1))));
  EXPECT_EQ(after(push_filter, filter(joined, gt(c("y"), lit(1)))),
            "join inner on k + x = k columns [k, x, k_right, y]\n"
            "  scan l columns [k, x]\n"
            "  scan r columns [k, y] where y > 1\n");
}

TEST(PushFilter, PassesAnAggregateOnItsKeys) {
  const auto grouped = aggregate(t(), {as(c("a"), "g"), c("f")}, {as(agg("max", c("b")), "top")});
  EXPECT_EQ(after(push_filter, filter(grouped, both(both(gt(c("g"), lit(1)), gt(c("top"), lit(2))), gt(c("f"), lit(3))))),
            "filter (top > 2) and (f > 3)\n"
            "  aggregate by a as g, f: max(b) as top\n"
            "    scan t columns [a, b, f, s, l, m] where a > 1\n");
}

TEST(PushFilter, StaysAboveASumThatMayOverflow) {
  expect_unchanged(push_filter, filter(aggregate(t(), {c("a")}, {as(agg("sum", c("b")), "total")}), a1()));
}

TEST(PushFilter, StaysAboveAGlobalAggregate) {
  expect_unchanged(push_filter, filter(aggregate(t(), {}, {as(agg("max", c("b")), "a")}), a1()));
}

TEST(PushFilter, PassesTheExplodeOfAnotherColumn) {
  EXPECT_EQ(after(push_filter, filter(ok(make_explode(t(), {"l"})), both(a1(), gt(c("l"), lit(2))))),
            "filter l > 2\n"
            "  explode l\n"
            "    scan t columns [a, b, f, s, l, m] where a > 1\n");
  expect_unchanged(push_filter, filter(ok(make_explode(t(), {"l", "m"})), a1()));
}

TEST(PushFilter, SinksThroughSeveralNodesAtOnce) {
  EXPECT_EQ(after(push_filter, filter(sort(project(filter(sort(t(), "a"), b2()), {c("a")}), "a"), a1())),
            "sort by a\n"
            "  project a\n"
            "    sort by a\n"
            "      scan t columns [a, b, f, s, l, m] where (b > 2) and (a > 1)\n");
}

}  // namespace
}  // namespace gristmill::plan
