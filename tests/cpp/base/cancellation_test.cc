// The flag, its waiters and its deadline; wait handles; the manual clock.
#include "base/cancellation.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "base/waiting.h"

namespace gristmill::base {
namespace {

using std::chrono::milliseconds;

TEST(CancelToken, KeepsTheFirstReasonAndSharesItWithCopies) {
  const CancelToken token;
  const CancelToken copy = token;
  EXPECT_FALSE(copy.cancelled());
  EXPECT_TRUE(copy.check().ok());
  token.cancel(cancelled_error("first"));
  token.cancel(cancelled_error("second"));
  EXPECT_TRUE(copy.cancelled());
  EXPECT_EQ(copy.check().message(), "first");
}

TEST(CancelToken, IsCancelledEvenByAnOkReason) {
  const CancelToken token;
  token.cancel(arrow::Status::OK());
  EXPECT_EQ(error_kind(token.check()), ErrorKind::kCancelled);
}

TEST(CancelToken, WakesEverySubscriberOnceAndLateOnesAtOnce) {
  const CancelToken token;
  int first = 0, second = 0, late = 0;
  const uint64_t gone = token.subscribe([&] { ++first; });
  token.subscribe([&] { ++second; });
  token.unsubscribe(gone);
  token.cancel(cancelled_error());
  token.cancel(cancelled_error());
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 1);
  token.unsubscribe(token.subscribe([&] { ++late; }));
  EXPECT_EQ(late, 1);
}

TEST(CancelToken, LetsAWakeUnsubscribeItselfAndSubscribeAgain) {
  const CancelToken token;
  uint64_t id = 0;
  int again = 0;
  id = token.subscribe([&] {
    token.unsubscribe(id);
    token.subscribe([&] { ++again; });
  });
  token.cancel(cancelled_error());
  EXPECT_EQ(again, 1);
}

TEST(CancelToken, WaitsInUnsubscribeForAWakeThatRuns) {
  for (int round = 0; round < 50; ++round) {
    const CancelToken token;
    std::atomic<bool> started{false};
    auto alive = std::make_unique<std::atomic<int>>(0);
    const uint64_t id = token.subscribe([&started, raw = alive.get()] {
      started = true;
      std::this_thread::sleep_for(milliseconds(1));
      ++*raw;
    });
    std::thread canceller([&] { token.cancel(cancelled_error()); });
    while (!started) std::this_thread::yield();
    token.unsubscribe(id);
    EXPECT_EQ(alive->load(), 1);
    alive.reset();
    canceller.join();
  }
}

TEST(CancelToken, TurnsIntoATimeOutAtItsDeadline) {
  const CancelToken token;
  EXPECT_FALSE(token.deadline().has_value());
  const auto later = std::chrono::steady_clock::now() + std::chrono::hours(1);
  token.set_deadline(later);
  EXPECT_EQ(token.deadline(), later);
  EXPECT_TRUE(token.check().ok());
  int woken = 0;
  token.subscribe([&] { ++woken; });
  token.set_deadline(std::chrono::steady_clock::now() - milliseconds(1));
  EXPECT_FALSE(token.cancelled());
  EXPECT_EQ(error_kind(token.check()), ErrorKind::kTimeout);
  EXPECT_TRUE(token.cancelled());
  EXPECT_EQ(woken, 1);
}

TEST(CancelToken, HoldsWhenManyThreadsCancelSubscribeAndCheck) {
  const CancelToken token;
  std::atomic<int> subscribed{0}, woken{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        ++subscribed;
        token.subscribe([&] { ++woken; });
        if (t == 0 && i == 100) token.cancel(cancelled_error("now"));
        if (token.cancelled()) {
          EXPECT_EQ(token.check().message(), "now");
        }
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(woken, subscribed);
}

TEST(WaitHandle, RunsItsCallbackOnceWhicheverComesFirst) {
  int runs = 0;
  WaitHandle early;
  early.on_ready([&] { ++runs; });
  EXPECT_FALSE(early.ready());
  EXPECT_EQ(runs, 0);
  early.fire();
  early.fire();
  EXPECT_TRUE(early.ready());
  EXPECT_EQ(runs, 1);
  WaitHandle late;
  late.fire();
  late.on_ready([&] { ++runs; });
  EXPECT_EQ(runs, 2);
}

TEST(WaitHandle, LosesNoCallbackWhenFiringAndSubscribingRace) {
  for (int round = 0; round < 500; ++round) {
    const auto handle = std::make_shared<WaitHandle>();
    std::atomic<int> runs{0};
    std::thread firing([&] { handle->fire(); });
    handle->on_ready([&] { ++runs; });
    firing.join();
    EXPECT_EQ(runs, 1);
  }
}

TEST(Clock, MovesOnlyWhenToldIfManual) {
  ManualClock clock;
  const auto start = clock.now();
  clock.advance(milliseconds(5));
  EXPECT_EQ(clock.now() - start, milliseconds(5));
  EXPECT_EQ(clock.unix_micros(), 5000);
  EXPECT_GT(Clock::system().unix_micros(), int64_t{1'500'000'000} * 1'000'000);
  const auto before = Clock::system().now();
  EXPECT_LE(before, Clock::system().now());
}

}  // namespace
}  // namespace gristmill::base
