#include "plan/nodes.h"
#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

PlanPtr sized(const std::string& name, std::optional<int64_t> rows) { return scan(name, "k:int64", rows); }

TEST(ChooseBuildSide, BuildsTheMuchSmallerLeftSide) {
  EXPECT_EQ(after(choose_build_side, join(sized("small", 10), sized("big", 1000), JoinKind::kInner)),
            "join inner on k = k columns [k] build left\n"
            "  scan small columns [k]\n"
            "  scan big columns [k]\n");
}

TEST(ChooseBuildSide, BuildsTheSmallerLeftSideOfSemiAndAntiJoinsWhoeverSeesTheOrder) {
  EXPECT_EQ(after(choose_build_side, join(sized("small", 400), sized("big", 1000), JoinKind::kSemi)),
            "join semi on k = k columns [k] build left\n"
            "  scan small columns [k]\n"
            "  scan big columns [k]\n");
  EXPECT_TRUE(ok(choose_build_side(join(sized("small", 400), sized("big", 1000), JoinKind::kAnti)))->build_left);
  expect_unchanged(choose_build_side, join(sized("left", 600), sized("right", 1000), JoinKind::kSemi));
  const auto may = filter(sized("small", 10), gt(add(c("k"), c("k")), lit(1)));
  expect_unchanged(choose_build_side, join(may, sized("big", 1000), JoinKind::kAnti));
}

TEST(ChooseBuildSide, TrustsAGuessOfVeryMuchLessInASemiJoin) {
  const auto joined = [](int64_t rows) { return join(sized("a", rows), sized("b", rows), JoinKind::kInner); };
  EXPECT_TRUE(ok(choose_build_side(join(joined(30), sized("big", 1000), JoinKind::kSemi)))->build_left);
  EXPECT_FALSE(ok(choose_build_side(join(joined(40), sized("big", 1000), JoinKind::kSemi)))->build_left);
}

TEST(ChooseBuildSide, LeavesAConditionThatMayFailToOneLeftRowAfterTheOther) {
  const auto p = join(sized("small", 10), sized("big", 1000), JoinKind::kSemi);
  const auto with = [&](expr::NodePtr residual) {
    auto out = copy_node(*p);
    out->residual = std::move(residual);
    return PlanPtr(std::move(out));
  };
  EXPECT_TRUE(ok(choose_build_side(with(gt(c("l.k"), c("r.k")))))->build_left);
  expect_unchanged(choose_build_side, with(gt(add(c("l.k"), c("r.k")), lit(1))));
}

TEST(ChooseBuildSide, LeavesTheRightSideWhenNothingIsCertain) {
  expect_unchanged(choose_build_side, join(sized("left", std::nullopt), sized("right", 1000), JoinKind::kInner));
  expect_unchanged(choose_build_side, join(sized("left", 10), sized("right", std::nullopt), JoinKind::kInner));
  expect_unchanged(choose_build_side, join(sized("left", 500), sized("right", 1000), JoinKind::kInner));
  expect_unchanged(choose_build_side, join(sized("left", 10), sized("right", 1000), JoinKind::kLeft));
}

TEST(ChooseBuildSide, LeavesASideThatMayFailWhereItsErrorsComeFirst) {
  const auto may = filter(sized("small", 10), gt(add(c("k"), c("k")), lit(1)));
  expect_unchanged(choose_build_side, join(may, sized("big", 1000), JoinKind::kInner));
  expect_unchanged(choose_build_side, join(limit(aggregate(sized("small", 10), {c("k")}, {as(agg("sum", c("k")), "s")}), 3),
                                           sized("big", 1000), JoinKind::kInner));
  EXPECT_TRUE(ok(choose_build_side(join(sized("small", 10), filter(sized("big", 1000), gt(add(c("k"), c("k")), lit(1))), JoinKind::kInner)))
                  ->build_left);
}

TEST(ChooseBuildSide, AsksForLessWhereNobodySeesTheOrder) {
  const auto p = ok(require_order(join(sized("left", 500), sized("right", 1000), JoinKind::kInner), false));
  EXPECT_TRUE(ok(choose_build_side(p))->build_left);
}

TEST(ChooseBuildSide, TurnsALeftJoinRoundWhereNobodySeesTheOrder) {
  const auto small = scan("small", "k:int64 a:int64", 400), big = scan("big", "k:int64 b:int64", 1000);
  const auto joined = ok(make_join(small, big, JoinKind::kLeft, {c("k")}, {c("k")}, false));
  const auto p = ok(require_order(joined, false));
  EXPECT_EQ(after(choose_build_side, p),
            "join right on k = k columns [k, a, k_right, b] in any order\n"
            "  scan big columns [k, b]\n"
            "  scan small columns [k, a]\n");
  EXPECT_TRUE(ok(choose_build_side(p))->schema->Equals(*p->schema));
  expect_unchanged(choose_build_side, joined);
  expect_unchanged(choose_build_side, ok(require_order(ok(make_join(big, small, JoinKind::kLeft, {c("k")}, {c("k")}, false)), false)));
  const auto pairs = [&](expr::NodePtr residual) {
    auto out = copy_node(*p);
    out->residual = std::move(residual);
    return PlanPtr(std::move(out));
  };
  EXPECT_EQ(expr::text(*ok(choose_build_side(pairs(gt(c("l.a"), c("r.b")))))->residual), "\"r.a\" > \"l.b\"");
  expect_unchanged(choose_build_side, pairs(gt(add(c("l.a"), c("r.b")), lit(1))));
}

TEST(ChooseBuildSide, TrustsAGuessWhereNobodySeesTheOrderAndLittleCanBeLost) {
  const auto joined = [](int64_t left_rows, bool ordered) {
    const auto left = filter(sized("left", left_rows), both(eq(c("k"), lit(1)), eq(c("k"), lit(2))));  // guessed: one in ninety
    return ok(require_order(join(left, sized("right", 1000), JoinKind::kInner), ordered));
  };
  EXPECT_TRUE(ok(choose_build_side(joined(2000, false)))->build_left);
  EXPECT_FALSE(ok(choose_build_side(joined(2000, true)))->build_left);
  EXPECT_FALSE(ok(choose_build_side(joined(10'000, false)))->build_left);
}

}  // namespace
}  // namespace gristmill::plan
