// The window alone, with calls answered by hand; time is a manual clock.

#include "sched/async_window.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "base/status.h"

namespace gristmill::sched {
namespace {

// Timers fire when the test moves the clock.
struct ManualBackground final : Background {
  void submit_io(int64_t, std::function<void()> work) override { work(); }
  void after(int64_t us, std::function<void()> work) override {
    timers.emplace(time.now() + std::chrono::microseconds(us), std::move(work));
  }
  const base::Clock& clock() const override { return time; }
  void advance(std::chrono::microseconds by) {
    time.advance(by);
    while (!timers.empty() && timers.begin()->first <= time.now()) timers.extract(timers.begin()).mapped()();
  }
  base::ManualClock time;
  std::multimap<std::chrono::steady_clock::time_point, std::function<void()>> timers;
};

struct Fixture {
  explicit Fixture(AsyncLimits limits = {}) : window(limits, background, cancel) {}
  base::WaitHandlePtr offer(uint64_t number, int64_t rows = 1, int64_t bytes = 1) {
    return window.offer(number, rows, bytes, [this, number](AsyncDone done) { started[number] = std::move(done); });
  }
  void answer(uint64_t number) {
    AsyncDone done = std::move(started.at(number));
    started.erase(number);
    done(AsyncResult(std::make_shared<uint64_t>(number)));
  }
  // The number taken; -1: wait, -2: end.
  int64_t take() {
    auto taken = window.take();
    if (taken.end) return -2;
    if (taken.wait) return -1;
    EXPECT_TRUE(taken.result.ok());
    EXPECT_EQ(*std::static_pointer_cast<uint64_t>(*taken.result), taken.number);
    return static_cast<int64_t>(taken.number);
  }
  ManualBackground background;
  base::CancelToken cancel;
  std::map<uint64_t, AsyncDone> started;
  AsyncWindow window;
};

TEST(AsyncWindow, OrderedResultsComeInOrderOfTheirNumbers) {
  Fixture f;
  for (uint64_t n : {0, 1, 2}) EXPECT_EQ(f.offer(n), nullptr);
  f.answer(2);
  f.answer(1);
  EXPECT_EQ(f.take(), -1);
  f.answer(0);
  f.window.close(3);
  for (int64_t want : {0, 1, 2, -2}) EXPECT_EQ(f.take(), want);
}

TEST(AsyncWindow, UnorderedResultsComeAsTheyAnswer) {
  Fixture f({.ordered = false});
  for (uint64_t n : {0, 1, 2}) f.offer(n);
  f.answer(2);
  f.answer(0);
  EXPECT_EQ(f.take(), 2);
  EXPECT_EQ(f.take(), 0);
  EXPECT_EQ(f.take(), -1);
  f.window.close(3);
  f.answer(1);
  EXPECT_EQ(f.take(), 1);
  EXPECT_EQ(f.take(), -2);
}

TEST(AsyncWindow, AFullWindowTakesTheNextOfferAfterATake) {
  Fixture f({.rows = 4});
  EXPECT_EQ(f.offer(0, 3), nullptr);
  auto two = f.offer(2, 1000);
  auto one = f.offer(1, 2);
  ASSERT_TRUE(one && two);
  f.answer(0);
  EXPECT_FALSE(one->ready());  // a result that waits still counts
  EXPECT_EQ(f.take(), 0);
  EXPECT_TRUE(one->ready());
  EXPECT_FALSE(two->ready());
  EXPECT_EQ(f.offer(1, 2), nullptr);
  EXPECT_EQ(f.window.in_flight_rows(), 2);
  f.answer(1);
  EXPECT_EQ(f.take(), 1);
  EXPECT_TRUE(two->ready());
  EXPECT_EQ(f.offer(2, 1000), nullptr);  // alone it always fits
}

TEST(AsyncWindow, BytesBoundTheWindowToo) {
  Fixture f({.bytes = 10, .ordered = false});
  EXPECT_EQ(f.offer(0, 1, 8), nullptr);
  EXPECT_NE(f.offer(1, 1, 8), nullptr);
}

TEST(AsyncWindow, TheNextInLineEntersAFullWindow) {
  Fixture f({.rows = 2});
  f.offer(1);
  f.offer(2);
  EXPECT_NE(f.offer(3), nullptr);
  EXPECT_EQ(f.offer(0), nullptr);
}

TEST(AsyncWindow, ATakerIsWokenByTheResultItWaitsFor) {
  Fixture f;
  f.offer(0);
  f.offer(1);
  auto first = f.window.take().wait;
  auto second = f.window.take().wait;
  f.answer(1);
  EXPECT_FALSE(first->ready());
  f.answer(0);
  EXPECT_TRUE(first->ready());
  EXPECT_FALSE(second->ready());
  EXPECT_EQ(f.take(), 0);
  EXPECT_TRUE(second->ready());
  auto third = (f.take(), f.window.take().wait);
  f.window.close(2);
  EXPECT_TRUE(third->ready());
}

TEST(AsyncWindow, ACallMayAnswerInsideStart) {
  Fixture f;
  f.window.offer(0, 1, 1, [](AsyncDone done) { done(AsyncResult(std::make_shared<uint64_t>(0))); });
  EXPECT_EQ(f.take(), 0);
}

TEST(AsyncWindow, TheFirstAnswerCountsAndADroppedCallIsAnError) {
  Fixture f;
  f.offer(0);
  AsyncDone done = f.started[0];
  done(AsyncResult(std::make_shared<uint64_t>(0)));
  done(base::data_error("too late"));
  EXPECT_EQ(f.take(), 0);
  f.window.offer(1, 1, 1, [](AsyncDone) {});
  auto taken = f.window.take();
  EXPECT_EQ(taken.number, 1u);
  EXPECT_FALSE(taken.result.ok());
}

TEST(AsyncWindow, TheRateSpacesStartsEvenly) {
  Fixture f({.rows_per_second = 1000});  // 1 ms a row
  EXPECT_EQ(f.offer(0, 5), nullptr);
  auto one = f.offer(1, 1);
  auto two = f.offer(2, 1);
  ASSERT_TRUE(one && two);
  f.background.advance(std::chrono::microseconds(4999));
  EXPECT_FALSE(one->ready());
  f.background.advance(std::chrono::microseconds(1));
  EXPECT_TRUE(one->ready());
  EXPECT_FALSE(two->ready());
  EXPECT_EQ(f.offer(1, 1), nullptr);
  EXPECT_NE(f.offer(2, 1), nullptr);  // too early still
  f.background.advance(std::chrono::microseconds(1000));
  EXPECT_TRUE(two->ready());
  EXPECT_EQ(f.offer(2, 1), nullptr);
}

TEST(AsyncWindow, AfterAPauseTheRateCatchesUpTenMillisecondsAtMost) {
  Fixture f({.rows_per_second = 1000});
  f.offer(0);
  f.background.advance(std::chrono::seconds(5));
  int at_once = 0;
  for (uint64_t n = 1; n < 100 && f.offer(n) == nullptr; ++n) ++at_once;
  EXPECT_EQ(at_once, 11);
}

TEST(AsyncWindow, DiscardLetsOfferersAndTakersGo) {
  Fixture f({.rows = 1});
  f.offer(0);
  auto offerer = f.offer(1);
  auto taker = f.window.take().wait;
  f.window.discard();
  EXPECT_TRUE(offerer->ready());
  EXPECT_TRUE(taker->ready());
  EXPECT_EQ(f.offer(5), nullptr);
  EXPECT_FALSE(f.started.contains(5));
  EXPECT_EQ(f.take(), -2);
  f.answer(0);  // nobody minds
}

TEST(AsyncWindow, AnErrorLetsTheLaterOnesGoAndTheEarlierOnesIn) {
  Fixture f({.rows = 1});
  f.offer(1);
  auto later = f.offer(3);
  f.window.fail_from(2);
  EXPECT_TRUE(later->ready());
  EXPECT_EQ(f.offer(3), nullptr);
  EXPECT_FALSE(f.started.contains(3));
  EXPECT_EQ(f.offer(0), nullptr);
  f.answer(0);
  f.answer(1);
  EXPECT_EQ(f.take(), 0);
  EXPECT_EQ(f.take(), 1);
  EXPECT_EQ(f.take(), -1);
}

TEST(AsyncWindow, CancellationWakesEverybodyAndGivesTheReason) {
  Fixture f({.rows = 1});
  f.offer(0);
  auto offerer = f.offer(1);
  auto taker = f.window.take().wait;
  f.cancel.cancel(base::cancelled_error("enough"));
  EXPECT_TRUE(offerer->ready());
  EXPECT_TRUE(taker->ready());
  EXPECT_EQ(f.offer(2), nullptr);
  EXPECT_EQ(f.window.take().result.status().message(), "enough");
}

TEST(AsyncWindow, AnswersAfterTheWindowIsGoneAreIgnored) {
  AsyncDone late;
  {
    Fixture f;
    f.window.offer(0, 1, 1, [&](AsyncDone done) { late = std::move(done); });
  }
  late(AsyncResult{});
}

TEST(AsyncWindow, ThousandsOfCallsAreInFlightWithoutThreads) {
  Fixture f({.rows = 5000});
  uint64_t offered = 0;
  while (f.offer(offered) == nullptr) ++offered;
  EXPECT_EQ(offered, 5000u);
  for (uint64_t n = offered; n-- > 0;) f.answer(n);
  for (uint64_t n = 0; n < offered; ++n) ASSERT_EQ(f.take(), static_cast<int64_t>(n));
}

}  // namespace
}  // namespace gristmill::sched
