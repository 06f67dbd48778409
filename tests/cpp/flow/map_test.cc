// Many items: order, combinations, failures by each rule.

#include <algorithm>
#include <mutex>

#include "flow_cases.h"

namespace gristmill {
namespace {

arrow::Result<int64_t> refuse_3_and_6(int64_t x) {
  if (x == 3 || x == 6) return arrow::Status::Invalid("no ", x);
  return x;
}

Task<int64_t> late(int64_t x) {
  co_await sleep_for(std::chrono::microseconds((7 - x % 8) * 500));
  co_return x;
}

TEST(FlowMap, KeepsTheOrderOfTheInput) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add("y", late, x);
  EXPECT_EQ(value(flow.map(y, FlowInputs().over(x, numbers(100)))), numbers(100));
}

TEST(FlowMap, TakesSidesOrCombinations) {
  Flow flow;
  const auto a = flow.input<int64_t>("a");
  const auto b = flow.input<std::string>("b");
  const auto c = flow.input<bool>("c");
  const auto y = flow.add("y", [](int64_t p, const std::string& q, bool r) { return std::to_string(p) + q + (r ? "+" : "-"); }, a, b, c);
  const auto two = FlowInputs().over(a, {1, 2}).over(b, {"x", "y"}).with(c, true);
  EXPECT_EQ(value(flow.map(y, two)), (std::vector<std::string>{"1x+", "2y+"}));
  EXPECT_EQ(value(flow.map(y, FlowInputs().over(a, {1, 2}).over(c, std::vector<bool>{true, false}).with(b, "z").product())),
            (std::vector<std::string>{"1z+", "1z-", "2z+", "2z-"}));
  EXPECT_NE(message(flow.map(y, FlowInputs().over(a, {1}).over(b, {"x", "y"}).with(c, true))).find("\"a\" has 1, \"b\" has 2"),
            std::string::npos);
}

TEST(FlowMap, NothingGivesNothing) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add("y", late, x);
  EXPECT_TRUE(value(flow.map(y, FlowInputs().over(x, numbers(0)))).empty());
  EXPECT_TRUE(value(flow.map(y, FlowInputs().over(x, numbers(0)).product())).empty());
}

class FlowFailures : public ::testing::TestWithParam<CallWay> {};

TEST_P(FlowFailures, AreTheUsersWithTheirPlace) {
  for (const int workers : {1, 2, 3}) {
    Flow flow;
    const auto x = flow.input<int64_t>("x");
    const auto y = flow.add("y", refuse_3_and_6, CallRules{.way = GetParam()}, x);
    const auto in = FlowInputs().over(x, numbers(10));
    for (int round = 0; round < 3; ++round) {  // unknown at first, known later
      const auto ordered = flow.map(y, in, {.errors = FlowErrors::kOrdered, .num_workers = workers});
      EXPECT_EQ(message(ordered), "no 3 (in function \"y\" of item 3)");
      EXPECT_TRUE(ordered.status().IsInvalid());
      EXPECT_EQ(message(flow.map(y, in, {.num_workers = workers})).substr(0, 3), "no ");
      const auto each = value(flow.map_each(y, in, {.num_workers = workers}));
      ASSERT_EQ(each.size(), 10U);
      for (int64_t i = 0; i < 10; ++i) {
        const auto& one = each[static_cast<size_t>(i)];
        EXPECT_EQ(one.ok(), i != 3 && i != 6);
        if (one.ok()) {
          EXPECT_EQ(*one, i);
        }
      }
      std::vector<int64_t> letters;
      FlowOptions skip{.errors = FlowErrors::kSkip, .num_workers = workers};
      skip.dead_letter = [&](const FlowFailure& f) { letters.push_back(f.item); };
      EXPECT_EQ(value(flow.map(y, in, skip)), (std::vector<int64_t>{0, 1, 2, 4, 5, 7, 8, 9}));
      std::sort(letters.begin(), letters.end());
      EXPECT_EQ(letters, (std::vector<int64_t>{3, 6}));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, FlowFailures, ::testing::Values(CallWay::kAuto, CallWay::kCompute, CallWay::kBlocking));

TEST(FlowMap, ExceptionsAreFailures) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto thrown = flow.add("thrown", [](int64_t v) { return v > 1 ? throw std::runtime_error("too much") : v; }, x);
  const auto coroutine = flow.add(
      "coroutine",
      [](int64_t v) -> Task<int64_t> {
        co_await sleep_for(0ms);
        if (v > 1) throw std::runtime_error("far too much");
        co_return v;
      },
      x);
  EXPECT_EQ(message(flow.map(thrown, FlowInputs().over(x, numbers(3)))), "too much (in function \"thrown\" of item 2)");
  EXPECT_EQ(message(flow.map(coroutine, FlowInputs().over(x, numbers(3)))), "far too much (in function \"coroutine\" of item 2)");
}

TEST(FlowMap, OfSeveralFailuresOfAnItemTheFirstInTheGraphIsTold) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto slow = flow.add(
      "slow",
      [](int64_t) -> Task<int64_t> {
        co_await sleep_for(5ms);
        co_return arrow::Status::Invalid("slow");
      },
      x);
  const auto quick = flow.add("quick", [](int64_t) -> Task<int64_t> { co_return arrow::Status::Invalid("quick"); }, x);
  const auto both = flow.add("both", [](int64_t a, int64_t b) { return a + b; }, slow, quick);
  for (const auto& one : value(flow.map_each(both, FlowInputs().over(x, numbers(5))))) EXPECT_EQ(message(one).substr(0, 4), "slow");
}

TEST(FlowMap, TheDefaultStopsAtOnceAndEndsWhatIsOpen) {
  std::atomic<int> ended{0};
  struct Last {
    std::atomic<int>* count;
    ~Last() { ++*count; }
  };
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add(
      "y",
      [&ended](int64_t v) -> Task<int64_t> {
        const Last last{&ended};
        if (v == 5) {
          co_await sleep_for(50ms);
          co_return arrow::Status::Invalid("five");
        }
        co_await sleep_for(30s);
        co_return v;
      },
      x);
  const auto began = Clock::now();
  EXPECT_EQ(message(flow.map(y, FlowInputs().over(x, numbers(10)))), "five (in function \"y\" of item 5)");
  EXPECT_LT(seconds_since(began), 10);
  EXPECT_EQ(ended, 10);  // all are gone when map() returns
}

TEST(FlowMap, ACancelledRunEndsItsCalls) {
  Flow flow;
  std::atomic<int> begun{0};
  std::atomic<int> told{0};
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add(
      "y",
      [](int64_t v) -> Task<int64_t> {
        co_await sleep_for(30s);
        co_return v;
      },
      x);
  const auto z = flow.add(
      "z",
      [&](int64_t v, const FlowCall& call) {
        ++begun;
        while (!call.cancelled()) std::this_thread::sleep_for(1ms);
        ++told;
        return v;
      },
      CallRules{.way = CallWay::kBlocking}, x);
  FlowOptions options;
  std::thread stop([&begun, cancel = options.cancel] {
    while (begun < 4) std::this_thread::sleep_for(1ms);
    cancel.cancel();
  });
  const auto got = flow.map(std::tuple(y, z), FlowInputs().over(x, numbers(4)), options);
  stop.join();
  EXPECT_FALSE(got.ok());
  EXPECT_EQ(told, 4);
}

TEST(FlowMap, ComputesOnAllWorkers) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  std::mutex mutex;
  std::vector<std::thread::id> threads;
  const auto y = flow.add(
      "y",
      [&](int64_t v) {
        {
          std::lock_guard lock(mutex);
          if (std::find(threads.begin(), threads.end(), std::this_thread::get_id()) == threads.end())
            threads.push_back(std::this_thread::get_id());
        }
        const auto until = Clock::now() + 1ms;
        while (Clock::now() < until) {
        }
        return v;
      },
      CallRules{.way = CallWay::kCompute}, x);
  EXPECT_EQ(value(flow.map(y, FlowInputs().over(x, numbers(200)), {.num_workers = 2})), numbers(200));
  EXPECT_EQ(threads.size(), 2U);
}

TEST(FlowMap, TrivialItemsStayOnTheCallersThread) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add("y", [](int64_t) { return std::this_thread::get_id(); }, x);
  const auto in = FlowInputs().over(x, numbers(10));
  bool all_here = false;
  for (int round = 0; round < 200 && !all_here; ++round) {  // a busy machine may make a call look long
    ASSERT_TRUE(flow.map(y, FlowInputs().over(x, numbers(100))).ok());
    const auto threads = value(flow.map(y, in));
    all_here = std::all_of(threads.begin(), threads.end(), [](std::thread::id id) { return id == std::this_thread::get_id(); });
  }
  EXPECT_TRUE(all_here);
}

}  // namespace
}  // namespace gristmill
