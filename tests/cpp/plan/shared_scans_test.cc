#include "plan/shared_scans.h"

#include <regex>
#include <string>

#include "plan/rules/rule_test.h"
#include "plan/shared_subplans.h"

namespace gristmill::plan {
namespace {

using namespace testing;

class SharedScans : public ::testing::Test {
 protected:
  PlanPtr lines() { return ok(make_scan(lines_)); }
  static PlanPtr part(int64_t rows = 40) { return scan("part", "k:int64 size:int64", rows); }

  // Lines of a part whose price lies below the mean of `of`.
  static PlanPtr below_mean(const PlanPtr& outer, const PlanPtr& of, const PlanPtr& parts, expr::NodePtr mean = agg("mean", c("price"))) {
    const auto means = project(aggregate(of, {as(c("key"), "g")}, {as(std::move(mean), "m")}), {c("g"), c("m")});
    auto p = ok(make_join(outer, parts, JoinKind::kInner, {c("key")}, {c("k")}, false));
    p = ok(make_join(p, means, JoinKind::kInner, {c("k")}, {c("g")}, false));
    return aggregate(filter(p, gt(c("m"), c("price"))), {}, {as(expr::aggregate("count", {}), "n")});
  }

  static std::string shared(const PlanPtr& p) {
    const auto out = optimize_shared(p);
    if (!out.ok()) return message_of(out.status());
    EXPECT_TRUE(out->main->schema->Equals(*p->schema));
    static const std::regex kEstimate("  ~[0-9,]+ rows?");
    return std::regex_replace(explain(*out), kEstimate, "");
  }
  static bool shares(const PlanPtr& p) { return shared(p).find("computed once") != std::string::npos; }

  const TableSourcePtr lines_ = fake("lines", "key:int64 price:float64 tax:int64 day:int64", 1000);
  const TableSourcePtr many_ = fake("lines", "key:int64 price:float64 tax:int64 day:int64", 100'000);
};

TEST_F(SharedScans, ATableThatASubqueryOverItsKeyReadsAgainIsReadOnce) {
  const auto l = ok(make_scan(many_));
  EXPECT_EQ(shared(below_mean(l, l, part())),
            "aggregate: count() as n\n"
            "  join inner on k = key columns [] in any order\n"
            "    scan part columns [k]\n"
            "    filter m > price\n"
            "      join inner on key = g columns [key, price, m] in any order\n"
            "        scan shared #1 columns [key, price]\n"
            "        aggregate by key as g: mean(price) as m in any order\n"
            "          scan shared #1 columns [key, price]\n"
            "shared #1, computed once:\n"
            "join semi on key = k columns [key, price] in any order\n"
            "  scan lines columns [key, price]\n"
            "  scan part columns [k]\n");
}

TEST_F(SharedScans, WhatOneReaderAloneWantsIsItsOwn) {
  const auto l = ok(make_scan(many_));
  const std::string text = shared(below_mean(filter(l, gt(c("day"), lit(5))), l, part()));
  EXPECT_NE(text.find("scan shared #1 columns [key, price] where day > 5\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  scan shared #1 columns [key, price]\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  scan lines columns [key, price, day]\n"), std::string::npos) << text;
  const auto late = filter(l, gt(c("day"), lit(5)));
  const std::string both = shared(below_mean(late, late, part()));
  EXPECT_NE(both.find("  scan lines columns [key, price] where day > 5\n"), std::string::npos) << both;
}

TEST_F(SharedScans, ASubqueryMayJoinWhatItReads) {
  const auto l = ok(make_scan(many_));
  const auto days = scan("days", "d:int64 month:int64", 30);
  const auto of = project(ok(make_join(l, days, JoinKind::kInner, {c("day")}, {c("d")}, false)), {c("key"), c("price")});
  const std::string text = shared(below_mean(l, of, part()));
  EXPECT_NE(text.find("    join inner on day = d columns [key, price] in any order\n"), std::string::npos) << text;
  EXPECT_NE(text.find("scan shared #1 columns [key, price, day]\n"), std::string::npos) << text;
  EXPECT_NE(text.find("join semi on key = k columns [key, price, day] in any order\n  scan lines "), std::string::npos) << text;
  for (const JoinKind kind : {JoinKind::kLeft, JoinKind::kSemi, JoinKind::kAnti}) {
    EXPECT_TRUE(shares(below_mean(l, ok(make_join(l, days, kind, {c("day")}, {c("d")}, false)), part())));
  }
  // A line that is not there any more would be one that a day has not.
  const auto by_day = [&](JoinKind kind) { return ok(make_join(days, l, kind, {c("d")}, {c("day")}, false)); };
  EXPECT_TRUE(shares(below_mean(l, by_day(JoinKind::kInner), part())));
  for (const JoinKind kind : {JoinKind::kLeft, JoinKind::kRight, JoinKind::kFull}) {
    EXPECT_FALSE(shares(below_mean(l, by_day(kind), part())));
  }
}

TEST_F(SharedScans, ItStaysWithFewRowsOrWithoutATableThatLeavesFew) {
  EXPECT_FALSE(shares(below_mean(lines(), lines(), part())));
  const auto l = ok(make_scan(many_));
  EXPECT_TRUE(shares(below_mean(l, l, part(12'000))));
  EXPECT_FALSE(shares(below_mean(l, l, part(13'000)))) << "an eighth of the keys";
  const auto other = scan("lines", "key:int64 price:float64 tax:int64 day:int64", 100'000);
  EXPECT_FALSE(shares(below_mean(l, other, part()))) << "another table";
}

TEST_F(SharedScans, ItStaysWhereARowThatIsLeftOutMayHaveFailed) {
  const auto l = ok(make_scan(many_));
  EXPECT_FALSE(shares(below_mean(l, l, part(), agg("mean", add(c("tax"), c("tax"))))));
  EXPECT_FALSE(shares(below_mean(l, filter(l, gt(add(c("tax"), c("tax")), lit(1))), part())));
  EXPECT_FALSE(shares(below_mean(limit(l, 50'000), l, part())));
}

TEST_F(SharedScans, ItStaysWhereTheOrderOfThePairsIsSeen) {
  const auto l = ok(make_scan(many_));
  const auto pairs = below_mean(l, l, part())->inputs[0];
  EXPECT_FALSE(shares(pairs));
  EXPECT_EQ(ok(share_scans(pairs)), pairs);
}

}  // namespace
}  // namespace gristmill::plan
