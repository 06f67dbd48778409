#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

TEST(MergeFilters, JoinsPredicatesInOrder) {
  const auto fails = gt(add(c("a"), c("b")), lit(1));
  EXPECT_EQ(after(merge_filters, filter(filter(filter(scan("t", "a:int64 b:int64"), fails), gt(c("b"), lit(2))), gt(c("a"), lit(3)))),
            "filter ((a + b) > 1) and (b > 2) and (a > 3)\n"
            "  scan t columns [a, b]\n");
}

TEST(MergeFilters, LeavesASingleFilter) { expect_unchanged(merge_filters, filter(scan("t", "a:int64"), gt(c("a"), lit(1)))); }

}  // namespace
}  // namespace gristmill::plan
