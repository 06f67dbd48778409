#include "plan/digits.h"

#include "plan/rules/may_fail.h"
#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

PlanPtr lines() { return scan("lines", "p:int64 s:int64 q:decimal(15,2) long:decimal(25,2)", 6000); }
PlanPtr sums(const std::string& of) { return aggregate(lines(), {c("p"), c("s")}, {as(agg("sum", c(of)), "x")}); }
expr::NodePtr times(expr::NodePtr a, expr::NodePtr b) { return expr::call("mul", {std::move(a), std::move(b)}); }
expr::NodePtr half() { return expr::cast(lit(1), arrow::decimal128(2, 1)); }
PlanPtr halved(const std::string& of) { return project(sums(of), {as(c("p"), "k"), as(times(half(), c("x")), "h")}); }

std::string type_of(const PlanPtr& p, int column) {
  const auto shortened = short_schema(*p);
  return shortened ? column::type_text(*shortened->field(column)->type()) : "as it is";
}

TEST(Digits, OfASumOfShortDecimalsAreThoseOfAValueAndACount) {
  EXPECT_EQ(column::type_text(*sums("q")->schema->field(2)->type()), "decimal(38,2)");
  EXPECT_EQ(type_of(sums("q"), 2), "decimal(34,2)");
  EXPECT_EQ(type_of(sums("long"), 2), "as it is");
  EXPECT_EQ(type_of(lines(), 2), "as it is");
}

TEST(Digits, GoThroughFiltersProjectionsJoinsAndTheLargestOfThem) {
  EXPECT_EQ(type_of(filter(halved("q"), gt(c("h"), lit(1))), 1), "decimal(36,3)");
  EXPECT_EQ(type_of(join(lines(), sums("q"), JoinKind::kInner, "p"), 5), "decimal(34,2)");
  EXPECT_EQ(type_of(aggregate(sums("q"), {}, {agg("max", c("x"))}), 0), "decimal(34,2)");
  EXPECT_EQ(type_of(aggregate(sums("q"), {}, {agg("sum", c("x"))}), 0), "as it is");
  EXPECT_EQ(type_of(unite({sums("q"), sums("long")}), 2), "as it is");
}

TEST(Digits, TellThatAProductOfASumCannotFail) {
  EXPECT_TRUE(halved("q")->schema->field(1)->type()->Equals(arrow::decimal128(38, 3)));
  const auto fails = [](const expr::NodePtr& e, const PlanPtr& p) { return fallible(e, *p).ValueOrDie(); };
  EXPECT_FALSE(fails(times(half(), c("x")), sums("q")));
  EXPECT_TRUE(fails(times(half(), c("x")), sums("long")));
  EXPECT_TRUE(fails(times(c("x"), c("x")), sums("q"))) << "68 digits";
  EXPECT_TRUE(fails(add(c("p"), c("p")), sums("q"))) << "integers";
  EXPECT_FALSE(may_fail(*halved("q")).ValueOrDie());
  EXPECT_TRUE(may_fail(*halved("long")).ValueOrDie());
}

TEST(Digits, FreeTheOrderOfGroupsBelowArithmetic) {
  const auto global = [](const PlanPtr& p) { return require_order(aggregate(p, {}, {agg("max", c("h"))}), true); };
  EXPECT_FALSE(ok(global(halved("q")))->inputs[0]->inputs[0]->ordered);
  EXPECT_TRUE(ok(global(halved("long")))->inputs[0]->inputs[0]->ordered);
}

TEST(Digits, LetFiltersPassTheArithmetic) {
  EXPECT_EQ(after(push_filter, filter(halved("q"), gt(c("k"), lit(3)))),
            "project p as k, cast(1 as decimal(2,1)) * x as h\n"
            "  aggregate by p, s: sum(q) as x\n"
            "    scan lines columns [p, s, q, long] where p > 3\n");
  expect_unchanged(push_filter, filter(halved("long"), gt(c("k"), lit(3))));
}

}  // namespace
}  // namespace gristmill::plan
