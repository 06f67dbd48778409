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

TEST(TopN, LeavesASkipWithoutCount) { expect_unchanged(top_n, limit(sort(scan("t", "a:int64"), "a"), -1, 2)); }

}  // namespace
}  // namespace gristmill::plan
