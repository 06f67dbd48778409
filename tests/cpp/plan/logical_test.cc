// What the checked constructors accept, refuse and insert.

#include <gtest/gtest.h>

#include <arrow/scalar.h>

#include "plan/fake_source.h"

namespace gristmill::plan {
namespace {

using namespace testing;

PlanPtr trips() { return scan("trips", "zone:string fare:float64 km:float64! n:int64 small:int8 tags:list<string>"); }

std::string schema_text(const PlanPtr& p) {
  std::string out;
  for (const auto& f : p->schema->fields())
    out += (out.empty() ? "" : ", ") + f->name() + ":" + f->type()->ToString() + (f->nullable() ? "" : "!");
  return out;
}

std::string error_of(const arrow::Result<PlanPtr>& p) { return p.ok() ? "no error" : message_of(p.status()); }

TEST(MakeFilter, SuggestsTheNearestNameForAnUnknownColumn) {
  EXPECT_EQ(error_of(make_filter(trips(), gt(c("fair"), lit(1)))), "no column \"fair\"; did you mean \"fare\"?");
}

TEST(MakeFilter, RefusesAPredicateThatIsNotBool) {
  EXPECT_EQ(error_of(make_filter(trips(), c("n"))), "the predicate of a filter must be bool, not int64: n");
}

TEST(MakeFilter, RefusesAggregates) {
  EXPECT_EQ(error_of(make_filter(trips(), gt(agg("sum", c("n")), lit(1)))),
            "an aggregate cannot stand in a filter: sum(n) > 1; compute it with group_by().agg() or select() first");
}

TEST(MakeFilter, TakesNullAsAPredicateThatKeepsNothing) {
  const auto p = make_filter(trips(), expr::null_literal()).ValueOrDie();
  EXPECT_EQ(expr::text(*p->predicate), "cast(null as bool)");
}

TEST(MakeProject, KeepsTheFieldOfPlainColumnsAndComputesPlainTypes) {
  const auto p =
      make_project(trips(), {c("km"), as(c("zone"), "z"), as(expr::call("str.upper", {c("zone")}), "u"), add(c("small"), lit(1))})
          .ValueOrDie();
  EXPECT_EQ(schema_text(p), "km:double!, z:string, u:string, small:int8");
}

TEST(MakeProject, KeepsDictionariesAndLargeStringsThatPassThrough) {
  auto schema = arrow::schema({arrow::field("d", arrow::dictionary(arrow::int8(), arrow::utf8())), arrow::field("l", arrow::large_utf8())});
  const auto in = make_scan(std::make_shared<FakeSource>("t", schema, std::nullopt)).ValueOrDie();
  const auto p = make_project(in, {c("d"), c("l"), as(expr::call("str.upper", {c("d")}), "u")}).ValueOrDie();
  EXPECT_EQ(schema_text(p), "d:dictionary<values=string, indices=int8, ordered=0>, l:large_string, u:string");
}

TEST(MakeProject, RefusesTwoOutputsOfOneName) {
  EXPECT_EQ(error_of(make_project(trips(), {c("n"), add(c("n"), lit(1))})),
            "two output columns are called \"n\"; give one of them another name with alias()");
  EXPECT_TRUE(make_project(trips(), {c("n"), c("n")}, true).ok());
}

TEST(MakeProject, TurnsAggregatesIntoAGlobalAggregate) {
  const auto p =
      make_project(trips(), {agg("sum", c("n")), as(ratio(agg("sum", c("fare")), expr::aggregate("count", {})), "per")}).ValueOrDie();
  EXPECT_EQ(explain(*p),
            "project n, \"sum(fare)\" / \"count()\" as per\n"
            "  aggregate: sum(n) as n, sum(fare) as \"sum(fare)\", count() as \"count()\"\n"
            "    scan trips columns [zone, fare, km, n, small, tags]\n");
}

TEST(MakeProject, RefusesABareColumnBesideAnAggregate) {
  EXPECT_EQ(error_of(make_project(trips(), {agg("sum", c("n")), c("zone")})),
            "column \"zone\" stands beside an aggregate; aggregate it as well, group_by() it, or give every row the aggregate with over()");
}

TEST(MakeWithColumns, ReplacesInPlaceAndAppends) {
  const auto p = make_with_columns(scan("t", "a:int64 b:float64"), {as(c("b"), "a"), as(lit(1), "one")}).ValueOrDie();
  EXPECT_EQ(schema_text(p), "a:double, b:double, one:int64");
}

TEST(MakeAggregate, TakesAggregatesOutOfExpressionsAndComputesEqualOnesOnce) {
  const auto total = agg("sum", c("fare"));
  const auto p =
      make_aggregate(trips(), {c("zone")}, {as(total, "total"), as(ratio(total, agg("sum", c("km"))), "per_km"), as(total, "again")})
          .ValueOrDie();
  EXPECT_EQ(explain(*p),
            "project zone, total, total / \"sum(km)\" as per_km, again\n"
            "  aggregate by zone: sum(fare) as total, sum(km) as \"sum(km)\", sum(fare) as again\n"
            "    scan trips columns [zone, fare, km, n, small, tags]\n");
}

TEST(MakeAggregate, LetsExpressionsUseKeys) {
  const auto key = as(add(c("n"), lit(1)), "k");
  const auto p =
      make_aggregate(trips(), {key}, {as(add(agg("max", c("n")), add(c("n"), lit(1))), "x"), as(add(c("k"), agg("min", c("n"))), "y")})
          .ValueOrDie();
  EXPECT_EQ(explain(*p),
            "project k, \"max(n)\" + k as x, k + \"min(n)\" as y\n"
            "  aggregate by n + 1 as k: max(n) as \"max(n)\", min(n) as \"min(n)\"\n"
            "    scan trips columns [zone, fare, km, n, small, tags]\n");
}

TEST(MakeAggregate, RefusesColumnsThatAreNeitherKeysNorAggregated) {
  EXPECT_EQ(error_of(make_aggregate(trips(), {c("zone")}, {add(c("n"), agg("sum", c("n")))})),
            "column \"n\" is neither aggregated nor a group key; aggregate it, or add it to the keys");
  EXPECT_EQ(error_of(make_aggregate(trips(), {c("zone")}, {agg("sum", c("fair"))})), "no column \"fair\"; did you mean \"fare\"?");
}

TEST(MakeAggregate, RefusesAggregatesInsideAggregates) {
  EXPECT_EQ(error_of(make_aggregate(trips(), {}, {agg("sum", agg("max", c("n")))})),
            "an aggregate cannot stand inside another: sum(max(n))");
}

TEST(MakeAggregate, RefusesAnOutputCalledLikeAKey) {
  EXPECT_EQ(error_of(make_aggregate(trips(), {c("n")}, {agg("sum", c("n"))})),
            "two output columns are called \"n\"; give one of them another name with alias()");
}

TEST(MakeAggregate, RefusesListsAsKeys) {
  EXPECT_EQ(error_of(make_aggregate(trips(), {c("tags")}, {})), "cannot group by tags: its type is list<string>");
}

TEST(MakeAggregate, GivesTheTypesOfTheSemanticsPaper) {
  const auto p = make_aggregate(scan("t", "a:int8 f:float32 d:decimal(5,2) s:string"), {},
                                {agg("sum", c("a")), as(agg("mean", c("a")), "m"), as(agg("sum", c("f")), "sf"),
                                 as(agg("sum", c("d")), "sd"), as(agg("min", c("s")), "ms"), expr::aggregate("count", {})})
                     .ValueOrDie();
  EXPECT_EQ(schema_text(p), "a:int64, m:double, sf:double, sd:decimal128(38, 2), ms:string, count:int64");
}

TEST(MakeDistinct, KeepsTheFirstRowAndTheOrderOfColumns) {
  const auto p = make_distinct(scan("t", "a:int64 b:string c:float64"), {"b"}).ValueOrDie();
  EXPECT_EQ(explain(*p),
            "project a, b, c\n"
            "  aggregate by b: first(a) as a, first(c) as c\n"
            "    scan t columns [a, b, c]\n");
  EXPECT_EQ(explain(*make_distinct(scan("t", "a:int64 b:string")).ValueOrDie()),
            "aggregate by a, b\n"
            "  scan t columns [a, b]\n");
  EXPECT_EQ(error_of(make_distinct(trips(), {"zona"})), "no column \"zona\"; did you mean \"zone\"?");
}

TEST(MakeJoin, PromotesKeysByCastsOnBothSides) {
  const auto p =
      make_join(scan("l", "k:int32 x:int64"), scan("r", "k:uint32 x:string"), JoinKind::kInner, {c("k")}, {c("k")}, true).ValueOrDie();
  EXPECT_EQ(expr::text(*p->left_keys[0]), "cast(k as int64)");
  EXPECT_EQ(expr::text(*p->right_keys[0]), "cast(k as int64)");
  EXPECT_EQ(schema_text(p), "k:int32, x:int64, x_right:string");
}

TEST(MakeJoin, KeepsBothKeysUnlessCoalesced) {
  const auto p =
      make_join(scan("l", "k:int64 x:int64"), scan("r", "k:int64 y:string!"), JoinKind::kLeft, {c("k")}, {c("k")}, false).ValueOrDie();
  EXPECT_EQ(schema_text(p), "k:int64, x:int64, k_right:int64, y:string");
}

TEST(MakeJoin, ShowsOnlyLeftColumnsOfSemiAndAntiJoins) {
  const auto p =
      make_join(scan("l", "k:int64 x:int64"), scan("r", "k:int64 y:string"), JoinKind::kAnti, {c("k")}, {c("k")}, true).ValueOrDie();
  EXPECT_EQ(schema_text(p), "k:int64, x:int64");
}

TEST(MakeJoin, ShowsTheRightKeyOfARightJoinAndEitherOfAFullOne) {
  const auto l = scan("l", "k:int32 x:int64"), r = scan("r", "k:int64 y:string!");
  const auto right = make_join(l, r, JoinKind::kRight, {c("k")}, {c("k")}, true).ValueOrDie();
  EXPECT_EQ(right->schema->ToString(), "k: int64\nx: int64\ny: string not null");
  const auto full = make_join(l, r, JoinKind::kFull, {c("k")}, {c("k")}, true).ValueOrDie();
  EXPECT_EQ(full->schema->ToString(), "k: int64\nx: int64\ny: string");
  EXPECT_EQ(explain(*full),
            "project coalesce(k, k_right) as k, x, y\n"
            "  join full on cast(k as int64) = k columns [k, x, y, k_right]\n"
            "    scan l columns [k, x]\n"
            "    scan r columns [k, y]\n");
}

TEST(MakeJoin, KeepsConditionsOfOuterJoinsAndFiltersInnerOnes) {
  const auto l = scan("l", "k:int64 x:int64"), r = scan("r", "k:int64 x:int64");
  const auto less = expr::call("lt", {c("x"), c("x_right")});
  EXPECT_EQ(explain(*make_join(l, r, JoinKind::kLeft, {c("k")}, {c("k")}, true, false, "_right", less).ValueOrDie()),
            "join left on k = k where x < x_right columns [k, x, x_right]\n"
            "  scan l columns [k, x]\n"
            "  scan r columns [k, x]\n");
  EXPECT_EQ(explain(*make_join(l, r, JoinKind::kInner, {}, {}, false, false, "_right", less).ValueOrDie()),
            "filter x < x_right\n"
            "  join cross columns [k, x, k_right, x_right]\n"
            "    scan l columns [k, x]\n"
            "    scan r columns [k, x]\n");
  EXPECT_EQ(error_of(make_join(l, r, JoinKind::kLeft, {}, {}, false, false, "_right", c("x"))),
            "the condition of a join must be bool, not int64: x");
  EXPECT_EQ(error_of(make_join(l, r, JoinKind::kLeft, {}, {}, false)), "a join needs at least one pair of keys, or a condition");
}

TEST(MakeJoin, PutsTheToleranceOfAnAsofJoinInUnitsOfItsKey) {
  const auto l = scan("l", "t:timestamp(ms) d:date f:float64 s:string"), r = scan("r", "t:timestamp(us) d:date f:float32 s:string");
  const auto seconds = expr::literal(std::make_shared<arrow::DurationScalar>(90'000, arrow::TimeUnit::SECOND), false);
  const auto made = [&](const char* on, expr::NodePtr tolerance) {
    return make_asof_join(l, r, {c(on), c(on), AsofStrategy::kNearest, true, std::move(tolerance)}, {}, {}, true, true);
  };
  const auto amount = [&](const char* on, expr::NodePtr tolerance) {
    return (*made(on, std::move(tolerance)))->asof.tolerance->value->ToString();
  };
  EXPECT_EQ(amount("t", seconds), "90000000000");
  EXPECT_EQ(amount("d", seconds), "1");
  EXPECT_EQ(amount("f", lit(2)), "2");
  EXPECT_EQ(error_of(made("f", lit(-2))), "the tolerance of this as-of join must be a number that is not negative, not -2");
  EXPECT_EQ(error_of(made("s", nullptr)), "an as-of join needs numbers or times to be near, not s (string)");
}

TEST(MakeJoin, NamesWhatDoesNotFit) {
  const auto l = scan("l", "k:int64 x:int64"), r = scan("r", "k:string x:int64 x_right:int64");
  EXPECT_EQ(error_of(make_join(l, r, JoinKind::kInner, {c("k")}, {c("k")}, true)),
            "cannot join k (int64) with k (string); cast one of them");
  EXPECT_EQ(error_of(make_join(l, r, JoinKind::kInner, {c("x")}, {c("x_right")}, false)),
            "two columns of the join are called \"x_right\"; rename one of them, or choose another suffix");
  EXPECT_EQ(error_of(make_join(l, r, JoinKind::kInner, {c("x"), c("k")}, {c("x")}, true)),
            "a join needs as many left keys as right keys, not 2 and 1");
}

TEST(MakeUnion, MatchesByNameAndPromotes) {
  const auto p = make_union({scan("a", "x:int32 s:string"), scan("b", "s:string x:float64")}).ValueOrDie();
  EXPECT_EQ(schema_text(p), "x:double, s:string");
  EXPECT_EQ(explain(*p),
            "union\n"
            "  project cast(x as float64) as x, s\n"
            "    scan a columns [x, s]\n"
            "  project x, s\n"
            "    scan b columns [s, x]\n");
}

TEST(MakeUnion, NamesColumnsThatAreMissingOrDoNotFit) {
  EXPECT_EQ(error_of(make_union({scan("a", "zone:int32"), scan("b", "zona:int32")})),
            "input 2 of the union has no column \"zone\"; did you mean \"zona\"?");
  EXPECT_EQ(error_of(make_union({scan("a", "x:int32"), scan("b", "x:string")})),
            "column \"x\" of the union is int32 in one input and string in another; cast one of them");
}

TEST(MakeExplode, MakesItemsOfLists) {
  EXPECT_EQ(schema_text(make_explode(scan("t", "a:int64 l:list<string>"), {"l"}).ValueOrDie()), "a:int64, l:string");
  EXPECT_EQ(error_of(make_explode(scan("t", "a:int64"), {"a"})), "explode needs a list, but column \"a\" is int64");
}

TEST(MakeLimit, RefusesNegativeNumbers) {
  EXPECT_EQ(error_of(make_limit(trips(), -1, 3)), "the offset of a limit cannot be negative: -1");
  EXPECT_EQ(error_of(make_limit(trips(), 0, -2)), "the number of rows of a limit cannot be negative: -2");
}

TEST(MakeSort, RefusesKeysWithoutOrder) {
  EXPECT_EQ(error_of(make_sort(trips(), {{c("tags")}})), "cannot sort by tags: its type is list<string>");
}

TEST(MakeScan, RefusesColumnsOfOneName) {
  const auto schema = arrow::schema({arrow::field("a", arrow::int64()), arrow::field("a", arrow::int64())});
  EXPECT_EQ(error_of(make_scan(std::make_shared<FakeSource>("t", schema, std::nullopt))),
            "t has two columns called \"a\"; column names of a table must differ");
}

}  // namespace
}  // namespace gristmill::plan
