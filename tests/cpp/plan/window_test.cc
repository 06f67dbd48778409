// Window nodes: how expressions become them, what rules make of them, how they travel as text.

#include <arrow/scalar.h>
#include <gtest/gtest.h>

#include "expr/json.h"
#include "expr/window.h"
#include "plan/nodes.h"
#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

arrow::Result<TableSourcePtr> resolve(const std::string&, const std::string&) { return fake("t", "g:string h:int64 x:int64 f:float64"); }
PlanPtr t() { return scan("t", "g:string h:int64 x:int64 f:float64"); }

expr::NodePtr over(const std::string& function, const std::string& x, std::vector<std::string> partition, const std::string& order = "") {
  expr::Over how;
  for (const auto& p : partition) how.partition.push_back(c(p));
  if (!order.empty()) how.order.push_back({c(order), false, false});
  return expr::window(function, x.empty() ? std::vector<expr::NodePtr>{} : std::vector<expr::NodePtr>{c(x)}, {}, how);
}

TEST(Window, FunctionsLeaveTheirExpressions) {
  const auto share = ratio(c("x"), over("sum", "x", {"g"}));
  EXPECT_EQ(explain(*project(t(), {as(share, "share"), as(over("sum", "x", {"g"}), "s")})),
            "project x / \"sum(x) over (partition by g)\" as share, \"sum(x) over (partition by g)\" as s\n"
            "  window sum(x) over (partition by g)\n"
            "    scan t columns [g, h, x, f]\n");
}

TEST(Window, InnerFunctionsComeFirst) {
  const auto inner = over("lag", "x", {"g"}, "h");
  const auto outer = expr::window("sum", {inner}, {}, {{c("g")}, {}, {}});
  const PlanPtr p = project(t(), {as(outer, "s")});
  ASSERT_EQ(p->inputs[0]->kind, PlanKind::kWindow);
  EXPECT_EQ(p->inputs[0]->inputs[0]->kind, PlanKind::kWindow);
  EXPECT_EQ(p->schema->field(0)->type()->id(), arrow::Type::INT64);
}

TEST(Window, StandsInFiltersAndSorts) {
  const PlanPtr f = filter(t(), gt(over("row_number", "", {"g"}, "x"), lit(1)));
  EXPECT_EQ(f->schema->field_names(), t()->schema->field_names());
  const PlanPtr s = ok(make_sort(t(), {{over("row_number", "", {"g"}, "x")}}));
  EXPECT_EQ(s->schema->field_names(), t()->schema->field_names());
}

TEST(Window, HasNoPlaceInsideAggregates) {
  const auto bad = make_aggregate(t(), {c("g")}, {expr::aggregate("sum", {over("lag", "x", {})})});
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(message_of(bad.status()).find("a window function cannot stand in an aggregate"), std::string::npos);
}

TEST(Window, FiltersOnAllPartitionKeysPass) {
  const PlanPtr w = ok(window_node(t(), {{"a", over("max", "x", {"g", "h"})}, {"b", over("min", "x", {"h"})}}));
  EXPECT_EQ(after(push_filter, filter(w, both(gt(c("h"), lit(1)), eq(c("g"), text("y"))))),
            "filter g = 'y'\n"
            "  window max(x) over (partition by g, h) as a, min(x) over (partition by h) as b\n"
            "    scan t columns [g, h, x, f] where h > 1\n");
}

TEST(Window, FiltersStayAboveWhatMayFailOrIsNoKey) {
  expect_unchanged(push_filter, filter(ok(window_node(t(), {{"a", over("sum", "x", {"h"})}})), gt(c("h"), lit(1))));
  expect_unchanged(push_filter, filter(ok(window_node(t(), {{"a", over("max", "x", {"f"})}})), gt(c("f"), lit(1))));
  expect_unchanged(push_filter, filter(ok(window_node(t(), {{"a", over("max", "x", {})}})), gt(c("h"), lit(1))));
}

TEST(Window, WhatNobodyReadsIsNotComputed) {
  const PlanPtr w = ok(window_node(t(), {{"a", over("max", "x", {"g"})}, {"b", over("min", "f", {"h"})}}));
  EXPECT_EQ(after(push_projection, project(w, {c("x"), c("b")})),
            "project x, b\n"
            "  window min(f) over (partition by h) as b\n"
            "    scan t columns [h, x, f]\n");
  EXPECT_EQ(after(push_projection, project(w, {c("x")})), "project x\n  scan t columns [x]\n");
  const PlanPtr fails = ok(window_node(t(), {{"a", over("sum", "x", {})}}));
  EXPECT_EQ(after(push_projection, project(fails, {c("g")})), "project g\n  window sum(x) over () as a\n    scan t columns [g, x]\n");
}

TEST(Window, TravelsAsText) {
  expr::Frame frame;
  frame.mode = expr::FrameMode::kRange;
  frame.start = {expr::FrameEdge::kPreceding, std::make_shared<arrow::Int64Scalar>(3), {}, true};
  frame.end = {expr::FrameEdge::kFollowing, nullptr, {1, 2, 3}, false};
  frame.exclude = expr::FrameExclude::kTies;
  expr::Over how{{c("g")}, {{c("h"), true, true}}, frame};
  const auto node = expr::window("lag", {c("x"), lit(2)}, {{"ignore_nulls", std::make_shared<arrow::BooleanScalar>(true)}}, how);
  const auto back = expr::from_json(expr::to_json(*node));
  ASSERT_TRUE(back.ok()) << message_of(back.status());
  EXPECT_TRUE(expr::equal(**back, *node));
  EXPECT_EQ(expr::text(**back),
            "lag(x, 2) ignore nulls over (partition by g order by h desc nulls first range between 3 preceding exclusive and "
            "interval '1mo2d3ns' following exclude ties)");
  const PlanPtr p = ok(window_node(t(), {{"a", over("max", "x", {"g"}, "h")}}));
  const auto plan = deserialize(serialize(*p), resolve);
  ASSERT_TRUE(plan.ok()) << message_of(plan.status());
  EXPECT_EQ(explain(**plan), explain(*p));
}

TEST(Window, OverReachesWhatHasNoneYet) {
  const auto open = expr::window("lag", {c("x")}, {}, {}, nullptr, false);
  const auto done = over("max", "x", {"h"});
  const auto placed = expr::over(add(add(open, done), expr::aggregate("sum", {c("x")})), {{c("g")}, {}, {}});
  ASSERT_TRUE(placed.ok());
  EXPECT_EQ(expr::text(**placed), "lag(x) over (partition by g) + max(x) over (partition by h) + sum(x) over (partition by g)");
  EXPECT_FALSE(expr::over(c("x"), {{c("g")}, {}, {}}).ok());
}

TEST(Window, ReadsIntervals) {
  EXPECT_EQ(expr::parse_frame_interval("1h30m"), (expr::FrameInterval{0, 0, int64_t{5400} * 1'000'000'000}));
  EXPECT_EQ(expr::parse_frame_interval("1y2mo1w3d"), (expr::FrameInterval{14, 10, 0}));
  for (const char* bad : {"", "7", "d", "7x", "-1d", "9223372036854775807w"}) EXPECT_FALSE(expr::parse_frame_interval(bad)) << bad;
}

}  // namespace
}  // namespace gristmill::plan
