#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

PlanPtr outer(JoinKind kind) {
  return ok(make_join(scan("l", "k:int64 a:int64"), scan("r", "x:int64 v:int64"), kind, {c("k")}, {c("x")}, false));
}

TEST(OuterToInner, WhereTheFilterRefusesWhatTheJoinMadeUp) {
  EXPECT_EQ(after(outer_to_inner, filter(outer(JoinKind::kLeft), gt(c("v"), c("a")))),
            "filter v > a\n"
            "  join inner on k = x columns [k, a, x, v]\n"
            "    scan l columns [k, a]\n"
            "    scan r columns [x, v]\n");
  EXPECT_NE(after(outer_to_inner, filter(outer(JoinKind::kRight), gt(c("a"), lit(1)))).find("join inner"), std::string::npos);
}

TEST(OuterToInner, StaysWhereANullMayPass) {
  expect_unchanged(outer_to_inner, filter(outer(JoinKind::kLeft), gt(c("a"), lit(1))));
  expect_unchanged(outer_to_inner, filter(outer(JoinKind::kLeft), expr::call("is_null", {c("v")})));
  expect_unchanged(outer_to_inner, filter(outer(JoinKind::kLeft), gt(expr::call("coalesce", {c("v"), lit(7)}), lit(1))));
  expect_unchanged(outer_to_inner, filter(outer(JoinKind::kLeft), expr::call("or", {gt(c("v"), lit(1)), gt(c("a"), lit(1))})));
}

TEST(OuterToInner, StaysBehindAConditionThatMayFail) {
  expect_unchanged(outer_to_inner, filter(outer(JoinKind::kLeft), both(gt(add(c("a"), c("a")), lit(1)), gt(c("v"), lit(1)))));
}

}  // namespace
}  // namespace gristmill::plan
