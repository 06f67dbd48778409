#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

PlanPtr t() { return scan("t", "a:int64 b:int64 s:int8"); }
expr::NodePtr fails() { return add(c("a"), c("b")); }
expr::NodePtr safe() { return ratio(c("a"), c("b")); }

TEST(MergeProjects, PutsOneIntoTheOther) {
  EXPECT_EQ(after(merge_projects, project(project(t(), {as(safe(), "x"), c("b")}), {as(ratio(c("x"), c("b")), "y"), c("b")})),
            "project (a / b) / b as y, b\n"
            "  scan t columns [a, b, s]\n");
}

TEST(MergeProjects, DropsOneThatChangesNothing) {
  EXPECT_EQ(after(merge_projects, project(t(), {c("a"), c("b"), c("s")})), "scan t columns [a, b, s]\n");
  expect_unchanged(merge_projects, project(t(), {c("b"), c("a"), c("s")}));
}

TEST(MergeProjects, ComputesNothingTwice) {
  expect_unchanged(merge_projects, project(project(t(), {as(safe(), "x")}), {as(ratio(c("x"), c("x")), "y")}));
  EXPECT_EQ(after(merge_projects, project(project(t(), {as(c("a"), "x")}), {as(ratio(c("x"), c("x")), "y")})),
            "project a / a as y\n"
            "  scan t columns [a, b, s]\n");
}

TEST(MergeProjects, HandsFallibleExpressionsOnUntouched) {
  EXPECT_EQ(after(merge_projects, project(project(t(), {as(fails(), "x"), c("b")}), {as(c("x"), "y"), as(ratio(c("b"), lit(2)), "z")})),
            "project a + b as y, b / 2 as z\n"
            "  scan t columns [a, b, s]\n");
}

TEST(MergeProjects, NeitherDropsNorMovesAFallibleExpression) {
  const auto below = project(t(), {as(fails(), "x"), as(add(c("a"), c("a")), "y"), c("b")});
  expect_unchanged(merge_projects, project(below, {c("x"), c("b")}));                                // y's error would be lost
  expect_unchanged(merge_projects, project(below, {c("y"), c("x")}));                                // y would fail before x
  expect_unchanged(merge_projects, project(below, {c("x"), c("y"), as(add(c("b"), c("b")), "z")}));  // z may fail too
  expect_unchanged(merge_projects, project(below, {c("x"), as(ratio(c("y"), c("b")), "z")}));        // y inside another
}

TEST(MergeProjects, KeepsTheTypeOfLiterals) {
  const auto before = project(project(t(), {c("s"), as(lit(1), "one")}),
                              {as(ratio(c("s"), c("one")), "r"), as(expr::call("coalesce", {c("s"), c("one")}), "z")});
  const auto merged = ok(merge_projects(before));
  EXPECT_EQ(explain(*merged),
            "project s / 1 as r, coalesce(s, 1) as z\n"
            "  scan t columns [a, b, s]\n");
  EXPECT_TRUE(merged->schema->Equals(*before->schema)) << merged->schema->ToString();
}

}  // namespace
}  // namespace gristmill::plan
