// Graphs: what is joined, what is needed, what is wrong before anything runs.

#include "flow_cases.h"

namespace gristmill {
namespace {

int64_t twice(int64_t x) { return 2 * x; }

TEST(FlowGraph, RunsFunctionsOfFunctions) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add("y", twice, x);
  const auto text = flow.add("text", [](int64_t a, int64_t b) { return std::to_string(a) + "/" + std::to_string(b); }, x, y);
  EXPECT_EQ(value(flow.run(text, FlowInputs().with(x, 5))), "5/10");
  EXPECT_EQ(value(flow.run(std::tuple(text, y), FlowInputs().with(x, 1))), std::tuple("1/2", 2));
}

TEST(FlowGraph, CallsOnlyWhatIsWanted) {
  Flow flow;
  std::atomic<int> calls{0};
  const auto x = flow.input<int64_t>("x");
  const auto missing = flow.input<int64_t>("missing");
  const auto y = flow.add("y", twice, x);
  flow.add("z", [&calls](int64_t a) { return a + ++calls; }, missing);
  EXPECT_EQ(value(flow.run(y, FlowInputs().with(x, 2))), 4);
  EXPECT_EQ(calls, 0);
}

TEST(FlowGraph, AGivenSlotReplacesItsFunction) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add("y", [](int64_t) -> arrow::Result<int64_t> { return arrow::Status::Invalid("called"); }, x);
  const auto z = flow.add("z", twice, y);
  EXPECT_EQ(value(flow.map(z, FlowInputs().over(y, std::vector<int64_t>{1, 2}))), (std::vector<int64_t>{2, 4}));
}

TEST(FlowGraph, DefaultsCount) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto by = flow.input<int64_t>("by", 10);
  const auto y = flow.add("y", [](int64_t a, int64_t b) { return a * b; }, x, by);
  EXPECT_EQ(value(flow.run(y, FlowInputs().with(x, 3))), 30);
  EXPECT_EQ(value(flow.run(y, FlowInputs().with(x, 3).with(by, 2))), 6);
}

TEST(FlowGraph, NamesWhatIsWrong) {
  Flow flow;
  Flow other;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add("y", twice, x);
  const auto elsewhere = other.input<int64_t>("x");
  EXPECT_NE(message(flow.run(y)).find("missing input \"x\""), std::string::npos);
  EXPECT_NE(message(flow.run(y, FlowInputs().with(elsewhere, 1))).find("slot of another flow"), std::string::npos);
  EXPECT_NE(message(flow.run(y, FlowInputs().with(x, 1).with(x, 2))).find("\"x\" is given twice"), std::string::npos);
  flow.add("y", twice, x);
  EXPECT_NE(message(flow.run(y, FlowInputs().with(x, 1))).find("are called \"y\""), std::string::npos);
  other.add("z", twice, x);
  EXPECT_NE(message(other.run(elsewhere, FlowInputs().with(elsewhere, 1))).find("\"z\" takes a slot of another flow"), std::string::npos);
}

TEST(FlowGraph, RefusesRulesThatCannotBe) {
  const auto wrong = [](CallRules rules) {
    Flow flow;
    const auto x = flow.input<int64_t>("x");
    return message(flow.run(flow.add("y", twice, std::move(rules), x), FlowInputs().with(x, 1)));
  };
  EXPECT_NE(wrong({.retry = Retry{.times = -1}}).find("a Retry needs"), std::string::npos);
  EXPECT_NE(wrong({.rate = RateLimit(0)}).find("a RateLimit needs"), std::string::npos);
  EXPECT_NE(wrong({.window = -1}).find("must not be negative"), std::string::npos);
  EXPECT_NE(wrong({.timeout = 1s, .way = CallWay::kCompute}).find("for calls that wait"), std::string::npos);
}

TEST(FlowGraph, ExplainsItsWays) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto a = flow.add("a", [](int64_t v) -> Task<int64_t> { co_return v; }, CallRules{.retry = Retry{.times = 2}, .window = 7}, x);
  const auto b = flow.add("b", twice, CallRules{.timeout = 1500ms, .rate = RateLimit(100)}, a);
  const auto c = flow.add("c", twice, b);
  EXPECT_NE(flow.explain().find("c(b)\n    not known yet"), std::string::npos) << flow.explain();
  EXPECT_TRUE(flow.map(c, FlowInputs().over(x, numbers(20))).ok());
  const std::string text = flow.explain();
  EXPECT_NE(text.find("a(x)\n    async: a coroutine"), std::string::npos) << text;
  EXPECT_NE(text.find("retry 2, window 7 calls"), std::string::npos) << text;
  EXPECT_NE(text.find("time-out 1500 ms, rate 100 in 1 s"), std::string::npos) << text;
  EXPECT_NE(text.find("of 20 calls measured"), std::string::npos) << text;
}

}  // namespace
}  // namespace gristmill
