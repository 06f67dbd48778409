#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

TEST(TopN, TellsTheSortHowManyRowsAreWanted) {
  EXPECT_EQ(after(top_n, limit(sort(scan("t", "a:int64"), "a"), 5, 2)),
            "limit 5 skip 2\n"
            "  sort by a top 7\n"
            "    scan t columns [a]\n");
}

TEST(TopN, ReachesSortsThroughProjectionsAndUnions) {
  const auto x = sort(scan("x", "a:int64"), "a"), y = scan("y", "a:int64");
  EXPECT_EQ(after(top_n, limit(project(unite({x, y}), {as(add(c("a"), c("a")), "b")}), 5)),
            "limit 5\n"
            "  project a + a as b\n"
            "    union\n"
            "      sort by a top 5\n"
            "        scan x columns [a]\n"
            "      scan y columns [a]\n");
}

TEST(TopN, LeavesASkipWithoutCount) { expect_unchanged(top_n, limit(sort(scan("t", "a:int64"), "a"), -1, 2)); }

}  // namespace
}  // namespace gristmill::plan
