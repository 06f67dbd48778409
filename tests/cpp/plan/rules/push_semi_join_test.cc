#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

PlanPtr semi(const PlanPtr& l, const PlanPtr& r, const std::string& a, const std::string& b) {
  return ok(make_join(l, r, JoinKind::kSemi, {c(a)}, {c(b)}, false));
}
PlanPtr orders() { return scan("orders", "ok:int64 ock:int64", 1500); }
PlanPtr lineitem() { return scan("lineitem", "lk:int64 price:int64", 6000); }
PlanPtr few() { return scan("few", "x:int64", 5); }
PlanPtr both_of(JoinKind kind) { return ok(make_join(lineitem(), orders(), kind, {c("lk")}, {c("ok")}, false)); }

TEST(PushSemiJoin, GoesToTheSideItLooksAt) {
  EXPECT_EQ(after(push_semi_join, semi(both_of(JoinKind::kInner), few(), "ock", "x")),
            "join inner on lk = ok columns [lk, price, ok, ock]\n"
            "  scan lineitem columns [lk, price]\n"
            "  join semi on ock = x columns [ok, ock]\n"
            "    scan orders columns [ok, ock]\n"
            "    scan few columns [x]\n");
}

TEST(PushSemiJoin, GoesToTheLeftOfALeftJoinOnly) {
  EXPECT_EQ(after(push_semi_join, semi(both_of(JoinKind::kLeft), few(), "lk", "x")),
            "join left on lk = ok columns [lk, price, ok, ock]\n"
            "  join semi on lk = x columns [lk, price]\n"
            "    scan lineitem columns [lk, price]\n"
            "    scan few columns [x]\n"
            "  scan orders columns [ok, ock]\n");
  expect_unchanged(push_semi_join, semi(both_of(JoinKind::kLeft), few(), "ock", "x"));
}

TEST(PushSemiJoin, GoesToASideOfNoFewerRowsPastAJoinThatLeavesThemAll) {
  EXPECT_EQ(after(push_semi_join, semi(both_of(JoinKind::kInner), scan("many", "x:int64", 1400), "ock", "x")),
            "join inner on lk = ok columns [lk, price, ok, ock]\n"
            "  scan lineitem columns [lk, price]\n"
            "  join semi on ock = x columns [ok, ock]\n"
            "    scan orders columns [ok, ock]\n"
            "    scan many columns [x]\n");
}

TEST(PushSemiJoin, StaysWithManyRowsAndWithoutAGuess) {
  expect_unchanged(push_semi_join, semi(both_of(JoinKind::kInner), scan("many", "x:int64", 100000), "ock", "x"));
  expect_unchanged(push_semi_join, semi(both_of(JoinKind::kInner), scan("unknown", "x:int64"), "ock", "x"));
}

TEST(PushSemiJoin, StaysAboveAJoinThatMayFail) {
  const auto fails = ok(make_join(lineitem(), orders(), JoinKind::kInner, {add(c("lk"), c("price"))}, {c("ok")}, false));
  expect_unchanged(push_semi_join, semi(fails, few(), "ock", "x"));
}

}  // namespace
}  // namespace gristmill::plan
