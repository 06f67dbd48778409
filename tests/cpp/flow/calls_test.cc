// Calls that wait: overlap, windows by number and bytes, rates, repetitions, time-outs.

#include <algorithm>
#include <mutex>

#include "flow_cases.h"

namespace gristmill {
namespace {

// How many are inside, and how many were at most.
struct Inside {
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  void enter() {
    const int n = ++now;
    int seen = most;
    while (n > seen && !most.compare_exchange_weak(seen, n)) {
    }
  }
  void leave() { --now; }
};

TEST(FlowCalls, CoroutinesOverlap) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add(
      "y",
      [](int64_t v) -> Task<int64_t> {
        co_await sleep_for(50ms);
        co_return v;
      },
      x);
  const auto began = Clock::now();
  EXPECT_EQ(value(flow.map(y, FlowInputs().over(x, numbers(1000)))), numbers(1000));
  EXPECT_LT(seconds_since(began), 5);  // 50 s one after the other
}

TEST(FlowCalls, FunctionsThatWaitOverlapWithoutBeingTold) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add(
      "y",
      [](int64_t v) {
        std::this_thread::sleep_for(30ms);
        return v;
      },
      x);
  const auto began = Clock::now();
  EXPECT_EQ(value(flow.map(y, FlowInputs().over(x, numbers(100)))), numbers(100));
  EXPECT_LT(seconds_since(began), 1.5);  // 3 s one after the other, 1.5 on two workers
  EXPECT_NE(flow.explain().find("blocking: a call mostly waits"), std::string::npos) << flow.explain();
}

TEST(FlowCalls, IndependentFunctionsOfAnItemOverlapAndThereIsNoBarrier) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto wait = [](int64_t v) -> Task<int64_t> {
    co_await sleep_for(v == 0 ? 150ms : 5ms);
    co_return v;
  };
  const auto a = flow.add("a", wait, x);
  const auto b = flow.add(
      "b",
      [](int64_t v) {
        std::this_thread::sleep_for(v == 0 ? 150ms : 5ms);
        return v;
      },
      CallRules{.way = CallWay::kBlocking}, x);
  std::mutex mutex;
  std::vector<int64_t> ends;
  const auto c = flow.add(
      "c",
      [&](int64_t p, int64_t q) {
        std::lock_guard lock(mutex);
        ends.push_back(p);
        return p + q;
      },
      a, b);
  const auto began = Clock::now();
  EXPECT_EQ(value(flow.map(c, FlowInputs().over(x, numbers(3)))), (std::vector<int64_t>{0, 2, 4}));
  EXPECT_LT(seconds_since(began), 0.28);
  EXPECT_EQ(ends.back(), 0);
}

TEST(FlowCalls, AWindowHoldsByNumber) {
  Inside inside;
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto a = flow.add(
      "a",
      [&](int64_t v) -> Task<int64_t> {
        inside.enter();
        co_await sleep_for(1ms);
        inside.leave();
        co_return v;
      },
      CallRules{.window = 5}, x);
  Inside threads;
  const auto b = flow.add(
      "b",
      [&](int64_t v) {
        threads.enter();
        std::this_thread::sleep_for(1ms);
        threads.leave();
        return v;
      },
      CallRules{.window = 3}, a);
  EXPECT_EQ(value(flow.map(b, FlowInputs().over(x, numbers(60)))), numbers(60));
  EXPECT_EQ(inside.most, 5);
  EXPECT_EQ(threads.most, 3);
}

TEST(FlowCalls, AWindowHoldsByBytes) {
  Inside inside;
  Flow flow;
  const auto x = flow.input<std::string>("x");
  const auto y = flow.add(
      "y",
      [&](const std::string& text) -> Task<int64_t> {
        inside.enter();
        co_await sleep_for(1ms);
        inside.leave();
        co_return static_cast<int64_t>(text.size());
      },
      CallRules{.window_bytes = 10'000}, x);
  EXPECT_EQ(value(flow.map(y, FlowInputs().over(x, std::vector<std::string>(50, std::string(2'000, 'a'))))).size(), 50U);
  EXPECT_GE(inside.most, 2);
  EXPECT_LE(inside.most, 4);
  inside.most = 0;
  EXPECT_EQ(value(flow.map(y, FlowInputs().over(x, std::vector<std::string>(10, std::string(50'000, 'a'))))).size(), 10U);
  EXPECT_EQ(inside.most, 1);  // one is always let in
}

TEST(FlowCalls, BytesAreThoseOfTheValues) {
  EXPECT_EQ(detail::bytes_of(int64_t{1}), 8);
  EXPECT_EQ(detail::bytes_of(std::string(1000, 'x')), 1000 + static_cast<int64_t>(sizeof(std::string)));
  EXPECT_GE(detail::bytes_of(std::vector<std::string>(10, std::string(1000, 'x'))), 10'000);
  EXPECT_GE(detail::bytes_of(std::vector<double>(100)), 800);
}

TEST(FlowCalls, ARateIsNeverExceededAndShared) {
  std::mutex mutex;
  std::vector<Clock::time_point> starts;
  const auto note = [&] {
    std::lock_guard lock(mutex);
    starts.push_back(Clock::now());
  };
  const RateLimit rate(200);
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto a = flow.add(
      "a",
      [&](int64_t v) -> Task<int64_t> {
        note();
        co_return v;
      },
      CallRules{.rate = rate}, x);
  const auto b = flow.add(
      "b",
      [&](int64_t v) {
        note();
        return v;
      },
      CallRules{.rate = rate}, x);
  ASSERT_TRUE(flow.map(std::tuple(a, b), FlowInputs().over(x, numbers(30))).ok());
  ASSERT_EQ(starts.size(), 60U);
  std::sort(starts.begin(), starts.end());
  // two at a moment, a hundred such moments a second
  EXPECT_GE(std::chrono::duration<double>(starts.back() - starts.front()).count(), 29 * 0.01 - 0.05);
}

TEST(FlowCalls, FailedCallsAreMadeAgainAfterPauses) {
  for (const CallWay way : {CallWay::kAuto, CallWay::kCompute, CallWay::kBlocking}) {
    std::mutex mutex;
    std::vector<Clock::time_point> calls;
    Flow flow;
    const auto x = flow.input<int64_t>("x");
    const auto y = flow.add(
        "y",
        [&](int64_t v, const FlowCall& call) -> arrow::Result<int64_t> {
          std::lock_guard lock(mutex);
          calls.push_back(Clock::now());
          if (call.attempt < 4) return arrow::Status::IOError("not yet");
          return v + call.item;
        },
        CallRules{.retry = Retry{.times = 3, .first = 0.02, .jitter = 0}, .way = way}, x);
    EXPECT_EQ(value(flow.run(y, FlowInputs().with(x, 1))), 1);
    ASSERT_EQ(calls.size(), 4U);
    for (int n = 0; n < 3; ++n) EXPECT_GE(std::chrono::duration<double>(calls[n + 1] - calls[n]).count(), 0.02 * (1 << n));
  }
}

TEST(FlowCalls, RepetitionsEndAndAreChosenByTheError) {
  std::atomic<int> calls{0};
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add(
      "y",
      [&](int64_t v) -> arrow::Result<int64_t> {
        ++calls;
        return v == 0 ? arrow::Status::IOError("busy") : arrow::Status::Invalid("wrong");
      },
      CallRules{.retry = Retry{.times = 2, .first = 0, .on = [](const arrow::Status& s) { return s.IsIOError(); }}}, x);
  EXPECT_EQ(message(flow.run(y, FlowInputs().with(x, 0))), "busy (in function \"y\" of item 0, after 3 calls)");
  EXPECT_EQ(calls.exchange(0), 3);
  EXPECT_EQ(message(flow.run(y, FlowInputs().with(x, 1))), "wrong (in function \"y\" of item 0)");
  EXPECT_EQ(calls, 1);
}

TEST(FlowCalls, TimeoutsEndCalls) {
  std::atomic<int> told{0};
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto a = flow.add(
      "a",
      [](int64_t v) -> Task<int64_t> {
        co_await sleep_for(v == 1 ? 30s : 0s);
        co_return v;
      },
      CallRules{.timeout = 30ms}, x);
  const auto b = flow.add(
      "b",
      [&](int64_t v, const FlowCall& call) {
        while (v == 1 && !call.cancelled()) std::this_thread::sleep_for(1ms);
        told += v == 1;
        return v;
      },
      CallRules{.timeout = 30ms}, x);
  for (const auto& wanted : {a, b}) {
    const auto each = value(flow.map_each(wanted, FlowInputs().over(x, numbers(3))));
    EXPECT_EQ(message(each[1]).substr(0, 29), "no answer within 30 ms (in fu");
    EXPECT_TRUE(each[0].ok() && each[2].ok());
  }
  EXPECT_EQ(told, 1);
}

TEST(FlowCalls, CallbacksOfOtherThreadsAnswerCoroutines) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  std::mutex mutex;
  std::vector<std::thread> threads;
  const auto y = flow.add(
      "y",
      [&](int64_t v) -> Task<int64_t> {
        Promise<int64_t> answer;
        {
          std::lock_guard lock(mutex);
          threads.emplace_back([answer, v] {
            std::this_thread::sleep_for(1ms);
            answer.set(v == 9 ? arrow::Result<int64_t>(arrow::Status::IOError("gone")) : arrow::Result<int64_t>(v * 2));
          });
        }
        arrow::Result<int64_t> got = co_await answer;
        if (!got.ok()) co_return -1;
        co_return *got;
      },
      x);
  EXPECT_EQ(value(flow.map(y, FlowInputs().over(x, std::vector<int64_t>{1, 9, 4}))), (std::vector<int64_t>{2, -1, 8}));
  for (auto& t : threads) t.join();
}

Task<int64_t> half(int64_t x) {
  co_await sleep_for(0ms);
  if (x % 2 != 0) co_return arrow::Status::Invalid(x, " is odd");
  co_return x / 2;
}

Task<int64_t> quarter(int64_t x) {
  arrow::Result<int64_t> once = co_await half(x);
  if (!once.ok()) co_return once.status();
  co_return co_await half(*once);
}

TEST(FlowCalls, CoroutinesAwaitCoroutines) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add("y", quarter, x);
  EXPECT_EQ(value(flow.run(y, FlowInputs().with(x, 20))), 5);
  EXPECT_EQ(message(flow.run(y, FlowInputs().with(x, 6))), "3 is odd (in function \"y\" of item 0)");
}

TEST(FlowCalls, FlowsRunInsideFunctionsOfFlows) {
  Flow inner;
  const auto v = inner.input<int64_t>("v");
  const auto w = inner.add("w", half, v);
  Flow outer;
  const auto n = outer.input<int64_t>("n");
  const auto sum = outer.add(
      "sum",
      [&](int64_t count) -> arrow::Result<int64_t> {
        std::vector<int64_t> even;
        for (int64_t i = 0; i < count; ++i) even.push_back(2 * i);
        ARROW_ASSIGN_OR_RAISE(const auto halves, inner.map(w, FlowInputs().over(v, even)));
        int64_t total = 0;
        for (const int64_t h : halves) total += h;
        return total;
      },
      n);
  EXPECT_EQ(value(outer.map(sum, FlowInputs().over(n, std::vector<int64_t>{3, 4, 5}))), (std::vector<int64_t>{3, 6, 10}));
  const auto in_coroutine = outer.add("stuck", [&](int64_t) -> Task<int64_t> { co_return inner.run(w, FlowInputs().with(v, 2)); }, n);
  EXPECT_NE(message(outer.run(in_coroutine, FlowInputs().with(n, 1))).find("cannot be run by a coroutine"), std::string::npos);
}

TEST(FlowCalls, ValuesOfCallsThatWaitToBeMadeAgainGoWithTheRun) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto held = std::make_shared<int64_t>(7);
  const auto value_of = flow.add("value", [&held](int64_t) { return held; }, x);
  const auto again = flow.add(
      "again", [](const std::shared_ptr<int64_t>&) -> arrow::Result<int64_t> { return arrow::Status::IOError("busy"); },
      CallRules{.retry = Retry{.times = 1, .first = 30}}, value_of);
  const auto late = flow.add(
      "late",
      [](const std::shared_ptr<int64_t>& v) -> Task<int64_t> {
        const int64_t kept = *v;
        co_await sleep_for(20ms);
        co_return arrow::Status::Invalid("late ", kept);
      },
      value_of);
  const auto began = Clock::now();
  EXPECT_EQ(message(flow.run(std::tuple(again, late), FlowInputs().with(x, 1))).substr(0, 6), "late 7");
  EXPECT_LT(seconds_since(began), 10);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(FlowCalls, NothingIsHeldOfTheUsersOnceARunHasReturnedAndTheFlowIsGone) {
  const auto token = std::make_shared<int64_t>(1);
  for (int round = 0; round < 200; ++round) {
    {
      Flow flow;
      const auto x = flow.input<int64_t>("x");
      const auto late = flow.add(
          "late",
          [token](int64_t v, const FlowCall& call) -> Task<int64_t> {
            const int64_t item = call.item;
            co_await sleep_for(std::chrono::microseconds(v * 20));
            if (item == 40) co_return arrow::Status::Invalid("forty");
            co_return v;
          },
          CallRules{.retry = Retry{.times = 1, .first = 0.0001}, .timeout = 10s}, x);
      const auto block = flow.add("block", [token](int64_t v) { return v + *token; }, CallRules{.way = CallWay::kBlocking}, x);
      const auto several = flow.add(
          "several",
          [token](int64_t v) -> AsyncEach<int64_t> {
            for (int64_t i = 0; i < v % 3; ++i) co_yield i;
          },
          block);
      const auto sum = flow.add("sum", [token](int64_t p, int64_t q) { return p + q; }, late, several);
      (void)flow.map(sum, FlowInputs().over(x, numbers(50)), {.window = 20, .on_event = [token](const FlowEvent&) {}});
      (void)flow.stream(sum, FlowInputs().over(x, numbers(30)), [token](int64_t, const auto&) { return false; });
    }
    ASSERT_EQ(token.use_count(), 1) << round;
  }
}

TEST(FlowCalls, ARuleOfTheUserThatThrowsEndsTheRun) {
  Flow flow;
  const auto x = flow.input<int64_t>("x");
  const auto y = flow.add(
      "y", [](int64_t) -> arrow::Result<int64_t> { return arrow::Status::IOError("busy"); },
      CallRules{.retry = Retry{.on = [](const arrow::Status&) -> bool { throw std::runtime_error("no such error"); }}}, x);
  EXPECT_NE(message(flow.map(y, FlowInputs().over(x, numbers(3)))).find("no such error"), std::string::npos);
}

TEST(FlowCalls, ARateIsSharedByItsName) {
  const RateLimit one = RateLimit::named("calls_test", 100).ValueOrDie();
  {
    const auto two = RateLimit::named("calls_test", 100);
    ASSERT_TRUE(two.ok());
    EXPECT_EQ(one.state(), two->state());
  }
  EXPECT_NE(message(RateLimit::named("calls_test", 50)).find("already with other numbers: 100 calls"), std::string::npos);
  EXPECT_NE(RateLimit::named("another", 50)->state(), one.state());
}

}  // namespace
}  // namespace gristmill
