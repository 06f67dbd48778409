#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

PlanPtr counted(const PlanPtr& p) { return ok(require_order(aggregate(p, {}, {as(expr::aggregate("count", {}), "n")}), true)); }
PlanPtr cross(const PlanPtr& l, const PlanPtr& r) { return ok(make_cross_join(l, r)); }
PlanPtr on(const PlanPtr& l, const PlanPtr& r, const std::string& a, const std::string& b) {
  return ok(make_join(l, r, JoinKind::kInner, {c(a)}, {c(b)}, false));
}

PlanPtr customer() { return scan("customer", "ck:int64 seg:string", 150); }
PlanPtr orders() { return scan("orders", "ok:int64 ock:int64", 1500); }
PlanPtr lineitem() { return scan("lineitem", "lk:int64 price:int64", 6000); }

TEST(JoinOrder, ProbesTheLargestAndBuildsTheSmall) {
  const auto p = counted(on(on(filter(customer(), eq(c("seg"), text("x"))), orders(), "ck", "ock"), lineitem(), "ok", "lk"));
  const std::string text = after(join_order, p);
  EXPECT_LT(text.find("scan lineitem"), text.find("scan orders")) << text;
  EXPECT_LT(text.find("scan orders"), text.find("scan customer")) << text;
}

TEST(JoinOrder, KeepsTheWrittenOrderWhereItIsSeen) {
  expect_unchanged(join_order, on(on(customer(), orders(), "ck", "ock"), lineitem(), "ok", "lk"));
}

TEST(JoinOrder, MakesNoPairsThatAnEqualityCanAvoid) {
  const auto p = counted(filter(cross(cross(customer(), lineitem()), orders()), both(eq(c("ck"), c("ock")), eq(c("ok"), c("lk")))));
  EXPECT_EQ(after(join_order, p).find("cross"), std::string::npos);
}

TEST(JoinOrder, ColumnsEqualToOneAreEqual) {
  const auto a = scan("a", "x:int64", 1000), b = scan("b", "y:int64", 5000),
             d = filter(scan("d", "z:int64 w:int64", 1000), eq(c("w"), lit(1)));
  const std::string text = after(join_order, counted(on(on(a, b, "x", "y"), d, "y", "z")));
  // The filtered one joins a first, with which it has nothing to do as written.
  EXPECT_NE(text.find("x = z"), std::string::npos) << text;
}

TEST(JoinOrder, FiltersBetweenLeavesGoWithThem) {
  const auto a = scan("a", "k:int64 v:int64", 5000), b = scan("b", "k2:int64 w:int64", 1000), d = scan("d", "k3:int64 v3:int64", 10);
  const auto p = counted(filter(on(on(d, b, "k3", "k2"), a, "k2", "k"), gt(c("v"), c("w"))));
  const std::string text = ok(join_order(p)) == p ? explain(*p) : after(join_order, p);
  EXPECT_NE(text.find("filter v > w"), std::string::npos) << text;
}

TEST(JoinOrder, StaysWhereErrorsCouldChangePlaces) {
  const auto fails = [](const PlanPtr& p, const char* column) { return filter(p, gt(add(c(column), c(column)), lit(1))); };
  expect_unchanged(join_order, counted(on(on(fails(customer(), "ck"), orders(), "ck", "ock"), fails(lineitem(), "lk"), "ok", "lk")));
}

TEST(JoinOrder, CrossesWhatNothingJoinsSmallestFirst) {
  const std::string text = after(join_order, counted(cross(cross(lineitem(), orders()), customer())));
  EXPECT_NE(text.find("join cross"), std::string::npos);
}

TEST(JoinOrder, GoesOnGreedilyBeyondTenTables) {
  PlanPtr p = scan("t0", "k0:int64", 10);
  for (int i = 1; i < 14; ++i)
    p = on(p, scan("t" + std::to_string(i), "k" + std::to_string(i) + ":int64", 100 * i), "k0", "k" + std::to_string(i));
  const std::string text = after(join_order, counted(p));
  EXPECT_EQ(text.find("cross"), std::string::npos);
}

}  // namespace
}  // namespace gristmill::plan
