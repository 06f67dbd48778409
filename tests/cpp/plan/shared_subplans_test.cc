// What becomes a part, what its users ask of it, and what is left alone.

#include "plan/shared_subplans.h"

#include <regex>
#include <string>

#include <arrow/array/array_base.h>

#include "expr/user_function.h"
#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

PlanPtr big() { return scan("big", "k:int64 v:int64 w:int64", 100000); }
PlanPtr groups() { return aggregate(big(), {c("k")}, {as(agg("count", c("v")), "n"), as(agg("count", c("w")), "m")}); }

std::string shared(const PlanPtr& p) {
  const auto out = optimize_shared(p);
  if (!out.ok()) return message_of(out.status());
  EXPECT_TRUE(out->main->schema->Equals(*p->schema));
  static const std::regex kEstimate("  ~[0-9,]+ rows?");
  return std::regex_replace(explain(*out), kEstimate, "");
}

TEST(SharedSubplans, APartOfTwoReadersIsComputedOnceWithTheirColumns) {
  const auto part = groups();
  const auto twice = join(project(part, {c("k"), c("n")}), project(part, {c("k"), as(c("n"), "again")}), JoinKind::kInner);
  EXPECT_EQ(shared(twice),
            "join inner on k = k columns [k, n, again]\n"
            "  scan shared #1 columns [k, n]\n"
            "  project k, n as again\n"
            "    scan shared #1 columns [k, n]\n"
            "shared #1, computed once:\n"
            "aggregate by k: count(v) as n\n"
            "  scan big columns [k, v]\n");
}

TEST(SharedSubplans, RowsThatNobodyWantsAreNotKept) {
  const auto part = groups();
  const auto low = filter(part, gt(lit(10), c("k"))), high = filter(part, gt(c("k"), lit(90)));
  const std::string text = shared(join(low, high, JoinKind::kLeft));
  EXPECT_NE(text.find("scan big columns [k, v, w] where (10 > k) or (k > 90)"), std::string::npos) << text;
  // One reader that wants all rows.
  const std::string all = shared(join(part, high, JoinKind::kLeft));
  EXPECT_NE(all.find("scan big columns [k, v, w]\n"), std::string::npos) << all;
}

TEST(SharedSubplans, EqualNodesOverOneSourceAreOnePart) {
  const auto source = fake("big", "k:int64 v:int64 w:int64", 100000);
  const auto sums = [&](const char* name) { return aggregate(ok(make_scan(source)), {c("k")}, {as(agg("count", c("v")), name)}); };
  EXPECT_NE(shared(join(sums("n"), sums("n"), JoinKind::kInner)).find("computed once"), std::string::npos);
  EXPECT_EQ(shared(join(sums("n"), sums("m"), JoinKind::kInner)).find("computed once"), std::string::npos);
}

class Named final : public expr::UserFunction {
 public:
  Named() : UserFunction("f", arrow::int64()) {}
  arrow::Result<std::shared_ptr<arrow::Array>> call(const std::vector<std::shared_ptr<arrow::Array>>& args, int64_t) const override {
    return args[0];
  }
  bool skips_nulls() const override { return true; }
};

TEST(SharedSubplans, UsersFunctionsOfOneNameAreNotOne) {
  const auto source = fake("big", "k:int64 v:int64 w:int64", 100000);
  const auto times = ok(make_scan(fake("times", "t:int64 p:int64", 100)));
  const auto nearest = [&] {
    AsofMatch match;
    match.left_on = expr::user_call(std::make_shared<Named>(), {c("v")});
    match.right_on = c("t");
    return aggregate(ok(make_asof_join(ok(make_scan(source)), times, match, {}, {}, false, false)), {c("k")},
                     {as(agg("count", c("p")), "n")});
  };
  const std::string text = shared(join(nearest(), nearest(), JoinKind::kInner));
  EXPECT_EQ(text.find("computed once"), std::string::npos) << text;
}

TEST(SharedSubplans, PartsOfPartsComeFirst) {
  const auto inner = groups();
  const auto outer =
      aggregate(join(inner, project(inner, {c("k"), as(c("m"), "mm")}), JoinKind::kInner), {c("n")}, {as(agg("count", c("mm")), "z")});
  const auto p = join(outer, project(outer, {c("n"), as(c("z"), "zz")}), JoinKind::kInner, "n");
  const auto out = optimize_shared(p).ValueOrDie();
  ASSERT_EQ(out.parts.size(), 2u);
  EXPECT_NE(explain(*out.parts[0].plan).find("scan big"), std::string::npos);
  EXPECT_NE(explain(*out.parts[1].plan).find("scan shared #1"), std::string::npos);
  EXPECT_EQ(explain(*out.parts[1].plan).find("scan big"), std::string::npos);
}

TEST(SharedSubplans, CheapOrWideWorkIsDoneAgain) {
  const auto filtered = filter(big(), gt(c("v"), lit(1)));  // no more than a filter
  EXPECT_EQ(shared(join(filtered, project(filtered, {c("k"), as(c("v"), "x")}), JoinKind::kInner)).find("computed once"),
            std::string::npos);
  const auto sorted = sort(big(), "v");  // each limit needs a few of its rows
  EXPECT_EQ(shared(unite({limit(sorted, 3), limit(sorted, 3, 7)})).find("computed once"), std::string::npos);
  const auto wide = join(big(), scan("r", "k:int64 x:int64", 10), JoinKind::kLeft);  // as many rows as it reads
  EXPECT_EQ(shared(unite({limit(wide, 3), limit(wide, 3, 7)})).find("computed once"), std::string::npos);
}

TEST(SharedSubplans, OrderIsKeptWhereAReaderSeesIt) {
  const auto part = groups();
  const auto count = aggregate(part, {}, {as(agg("count", c("n")), "n")});
  const auto blind = optimize_shared(unite({count, aggregate(part, {}, {as(agg("count", c("m")), "n")})})).ValueOrDie();
  ASSERT_EQ(blind.parts.size(), 1u);
  EXPECT_FALSE(blind.parts[0].plan->ordered);
  const auto seen = optimize_shared(unite({count, project(part, {c("n")})})).ValueOrDie();
  ASSERT_EQ(seen.parts.size(), 1u);
  EXPECT_TRUE(seen.parts[0].plan->ordered);
}

}  // namespace
}  // namespace gristmill::plan
