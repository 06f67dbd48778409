// Plans as text: what is written reads back to the same plan and the same bytes.

#include <gtest/gtest.h>

#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

// Sources by name, as a resolver finds them again.
arrow::Result<TableSourcePtr> resolve(const std::string& kind, const std::string& json) {
  if (kind != "fake") return base::plan_error("no source of kind " + kind);
  if (json == "{\"name\":\"l\"}") return fake("l", "k:int64 x:float64 s:string t:list<string>", 10);
  if (json == "{\"name\":\"r\"}") return fake("r", "k:int64 y:float64", 100000);
  return base::plan_error("no table in " + json);
}

PlanPtr left() { return make_scan(resolve("fake", "{\"name\":\"l\"}").ValueOrDie()).ValueOrDie(); }
PlanPtr right() { return make_scan(resolve("fake", "{\"name\":\"r\"}").ValueOrDie()).ValueOrDie(); }

std::string error_of(const std::string& text) {
  const auto p = deserialize(text, resolve);
  return p.ok() ? "no error" : message_of(p.status());
}

void expect_round_trip(const PlanPtr& p) {
  const std::string text = serialize(*p);
  const auto back = deserialize(text, resolve);
  ASSERT_TRUE(back.ok()) << message_of(back.status()) << "\n" << text;
  EXPECT_EQ(serialize(**back), text);
  EXPECT_EQ(explain(**back), explain(*p));
  EXPECT_TRUE((*back)->schema->Equals(*p->schema)) << (*back)->schema->ToString() << "\n" << p->schema->ToString();
}

TEST(Serialize, ReadsAsAListOfNodes) {
  EXPECT_EQ(serialize(*filter(right(), gt(c("k"), lit(1)))),
            "{\"format\":1,\"nodes\":[\n"
            "{\"scan\":{\"source\":\"fake\",\"spec\":{\"name\":\"r\"},\"columns\":[\"k\",\"y\"]}},\n"
            "{\"filter\":{\"predicate\":" +
                expr::to_json(*gt(c("k"), lit(1))) +
                "},\"inputs\":[0]}\n"
                "]}\n");
}

TEST(Serialize, KeepsEveryKindOfNode) {
  auto p = ok(make_explode(left(), {"t"}));
  p = filter(p, both(gt(c("x"), expr::literal(0.1)), eq(c("s"), text("it's \"so\"\n"))));
  p = join(p, right(), JoinKind::kInner);
  p = aggregate(p, {c("s"), as(add(c("k"), lit(1)), "k1")},
                {as(ratio(agg("sum", c("y")), expr::aggregate("count", {}, {}, gt(c("y"), lit(1)))), "r")});
  p = unite({p, project(p, {c("r"), c("s"), c("k1")})});
  p = ok(make_sort(p, {{c("s"), true, true}, {c("k1")}}));
  p = limit(p, 10, 3);
  expect_round_trip(p);
  expect_round_trip(ok(optimize(p)));
  for (const JoinKind kind : {JoinKind::kLeft, JoinKind::kSemi, JoinKind::kAnti}) expect_round_trip(join(left(), right(), kind));
  expect_round_trip(ok(make_join(left(), right(), JoinKind::kLeft, {c("k")}, {c("y")}, false, true, "_r")));
  expect_round_trip(ok(make_distinct(left(), {"k"})));
}

TEST(Serialize, KeepsWhatTheOptimiserNoted) {
  auto p = project(join(left(), right(), JoinKind::kInner), {c("y")});
  p = ok(optimize(p, false));
  EXPECT_NE(explain(*p).find("build left in any order"), std::string::npos) << explain(*p);
  expect_round_trip(p);
}

TEST(Serialize, WritesSharedSubtreesOnce) {
  const auto shared = filter(left(), gt(c("k"), lit(1)));
  const std::string text = serialize(*unite({shared, shared, shared}));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 5) << text;
  EXPECT_NE(text.find("\"inputs\":[1,1,1]"), std::string::npos) << text;
}

TEST(Deserialize, RefusesAnotherFormat) {
  EXPECT_EQ(error_of("{\"format\":2,\"nodes\":[]}"), "the plan has format 2, this version reads 1; it was written by a newer version");
}

TEST(Deserialize, SaysWhatIsWrong) {
  EXPECT_EQ(error_of("{\"format\":1,\"nodes\":[]}"), "not a serialised plan: no nodes");
  EXPECT_EQ(error_of("{\"format\":1,\"nodes\":[{\"turn\":{}}]}"), "not a serialised plan: a node of unknown kind");
  EXPECT_EQ(error_of("{\"format\":1,\"nodes\":[{\"union\":{},\"inputs\":[0]}]}"), "not a serialised plan: a node before its input");
  EXPECT_EQ(error_of("{\"format\":1}"), "not a serialised plan: no list of nodes");
  EXPECT_EQ(error_of("{\"nodes\":[]}"), "not a serialised plan: \"format\" is not a number");
  EXPECT_EQ(error_of("[1]"), "not a serialised plan: \"format\" is not a number");
  EXPECT_EQ(error_of("{\"format\":1,\"nodes\":[{\"scan\":{\"source\":\"fake\",\"spec\":{\"name\":\"gone\"},\"columns\":[]}}]}"),
            "no table in {\"name\":\"gone\"}");
}

TEST(Deserialize, ChecksNamesAgainstTheSourcesOfToday) {
  EXPECT_EQ(error_of("{\"format\":1,\"nodes\":[{\"scan\":{\"source\":\"fake\",\"spec\":{\"name\":\"r\"},\"columns\":[\"kk\"]}}]}"),
            "no column \"kk\"; did you mean \"k\"?");
}

TEST(Deserialize, SurvivesTextCutAnywhere) {
  const std::string text = serialize(*limit(filter(left(), gt(c("k"), lit(1))), 3));
  for (size_t n = 0; n + 2 < text.size(); ++n) EXPECT_FALSE(deserialize(text.substr(0, n), resolve).ok()) << n;
}

TEST(Serialize, KeepsEveryKindOfJoin) {
  const auto condition = gt(c("x"), c("y"));
  for (JoinKind kind : {JoinKind::kLeft, JoinKind::kSemi, JoinKind::kAnti, JoinKind::kRight, JoinKind::kFull}) {
    expect_round_trip(ok(make_join(left(), right(), kind, {c("k")}, {c("k")}, true)));
    expect_round_trip(ok(make_join(left(), right(), kind, {}, {}, false, false, "_right", condition)));
  }
  expect_round_trip(ok(make_cross_join(left(), right())));
  expect_round_trip(ok(make_asof_join(left(), right(), {c("x"), c("y"), AsofStrategy::kForward, false, lit(3)}, {c("k")}, {c("k")}, false, true)));
}

}  // namespace
}  // namespace gristmill::plan
