// What the rules may do around a row index: the numbers of rows must not change.

#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

PlanPtr t() { return scan("t", "a:int64 b:int64"); }
PlanPtr indexed() { return ok(make_row_index(t(), "i", 2)); }

TEST(RowIndex, FiltersStayAbove) { expect_unchanged(push_filter, filter(indexed(), gt(c("a"), lit(1)))); }

TEST(RowIndex, LimitsGoBelow) {
  EXPECT_EQ(after(push_limit, limit(indexed(), 5, 1)),
            "limit 5 skip 1\n"
            "  row index i from 2\n"
            "    scan t columns [a, b] limit 6\n");
}

TEST(RowIndex, IsDroppedWhereNobodyLooksAtIt) {
  EXPECT_EQ(after(push_projection, project(indexed(), {c("a")})),
            "project a\n"
            "  scan t columns [a]\n");
  EXPECT_EQ(after(push_projection, project(indexed(), {c("i"), c("b")})),
            "project i, b\n"
            "  row index i from 2\n"
            "    scan t columns [b]\n");
}

TEST(RowIndex, NeedsItsInputInOrder) {
  const auto p = ok(require_order(aggregate(indexed(), {}, {as(agg("sum", c("i")), "s")}), true));
  EXPECT_TRUE(p->inputs[0]->inputs[0]->ordered);
}

TEST(RowIndex, TravelsWithItsName) {
  for (const bool position : {false, true}) {
    const auto p = ok(make_row_index(t(), "n", 7, position));
    EXPECT_NE(serialize(*p).find("\"row_index\":{\"name\":\"n\",\"offset\":7"), std::string::npos);
  }
  EXPECT_FALSE(make_row_index(t(), "a").ok());
}

}  // namespace
}  // namespace gristmill::plan
