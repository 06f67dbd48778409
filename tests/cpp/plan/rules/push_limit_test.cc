#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

PlanPtr t() { return scan("t", "a:int64 b:int64"); }

TEST(PushLimit, TellsTheScanHowManyRowsAreWanted) {
  EXPECT_EQ(after(push_limit, limit(t(), 5, 2)),
            "limit 5 skip 2\n"
            "  scan t columns [a, b] limit 7\n");
}

TEST(PushLimit, ReachesTheScanThroughProjectionsEvenFallibleOnes) {
  EXPECT_EQ(after(push_limit, limit(project(t(), {as(add(c("a"), c("b")), "x")}), 5, 1)),
            "limit 5 skip 1\n"
            "  project a + b as x\n"
            "    scan t columns [a, b] limit 6\n");
}

TEST(PushLimit, BoundsEveryInputOfAUnion) {
  EXPECT_EQ(
      after(push_limit, limit(unite({scan("x", "a:int64"), limit(scan("y", "a:int64"), 3), limit(scan("z", "a:int64"), 30, 1)}), 5, 2)),
      "limit 5 skip 2\n"
      "  union\n"
      "    scan x columns [a] limit 7\n"
      "    limit 3\n"
      "      scan y columns [a] limit 3\n"
      "    limit 30 skip 1\n"
      "      scan z columns [a] limit 8\n");
}

TEST(PushLimit, BoundsTheLeftSideOfALeftJoin) {
  EXPECT_EQ(after(push_limit, limit(join(scan("l", "k:int64"), scan("r", "k:int64"), JoinKind::kLeft), 5)),
            "limit 5\n"
            "  join left on k = k columns [k]\n"
            "    scan l columns [k] limit 5\n"
            "    scan r columns [k]\n");
}

TEST(PushLimit, MergesLimits) {
  EXPECT_EQ(after(push_limit, limit(limit(t(), 10, 3), 5, 2)), "limit 5 skip 5\n  scan t columns [a, b] limit 10\n");
  EXPECT_EQ(after(push_limit, limit(limit(t(), 4, 3), 5, 2)), "limit 2 skip 5\n  scan t columns [a, b] limit 7\n");
  EXPECT_EQ(after(push_limit, limit(limit(t(), 4), 5, 6)), "limit 0 skip 6\n  scan t columns [a, b] limit 4\n");
  EXPECT_EQ(after(push_limit, limit(limit(t(), -1, 3), -1, 2)), "skip 5\n  scan t columns [a, b]\n");
  EXPECT_EQ(after(push_limit, limit(t(), -1)), "scan t columns [a, b]\n");
}

TEST(PushLimit, StopsAtFiltersJoinsAndAggregates) {
  expect_unchanged(push_limit, limit(filter(t(), gt(c("a"), lit(1))), 5));
  expect_unchanged(push_limit, limit(aggregate(t(), {c("a")}, {}), 5));
  expect_unchanged(push_limit, limit(join(scan("l", "k:int64"), scan("r", "k:int64"), JoinKind::kInner), 5));
}

TEST(PushLimit, SurvivesTheLargestNumbers) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(after(push_limit, limit(limit(t(), kMost, kMost), kMost, kMost)),
            "limit 0 skip 9223372036854775807\n  scan t columns [a, b] limit 9223372036854775807\n");
  EXPECT_EQ(after(push_limit, limit(t(), kMost, 2)),
            "limit 9223372036854775805 skip 2\n  scan t columns [a, b] limit 9223372036854775807\n");
}

TEST(LiftLimit, GoesAbovePureProjections) {
  EXPECT_EQ(after(lift_limit, project(limit(t(), 5, 2), {as(ratio(c("a"), c("b")), "x")})),
            "limit 5 skip 2\n"
            "  project a / b as x\n"
            "    scan t columns [a, b]\n");
}

TEST(LiftLimit, StaysBelowWhatMayFailOnTheRowsItCutsOff) {
  expect_unchanged(lift_limit, project(limit(t(), 5), {as(add(c("a"), c("b")), "x")}));
}

}  // namespace
}  // namespace gristmill::plan
