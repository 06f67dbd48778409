// I/O threads and timers: the byte budget, the order, the end.

#include "sched/io_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <set>

namespace gristmill::sched {
namespace {

using std::chrono::milliseconds;

TEST(IoThreads, RequestsRunAtOnceUpToTheThreadsButNotBeyondTheBytes) {
  IoThreads io(3, 100);
  std::atomic<int> now{0}, most{0};
  std::atomic<int64_t> bytes{0}, most_bytes{0};
  std::latch all(30);
  for (int i = 0; i < 30; ++i) {
    io.submit_io(45, [&] {
      const int n = ++now;
      const int64_t b = bytes += 45;
      for (int seen = most; n > seen && !most.compare_exchange_weak(seen, n);) {
      }
      for (int64_t seen = most_bytes; b > seen && !most_bytes.compare_exchange_weak(seen, b);) {
      }
      std::this_thread::sleep_for(milliseconds(1));
      bytes -= 45;
      --now;
      all.count_down();
    });
  }
  all.wait();
  EXPECT_EQ(most, 2);
  EXPECT_LE(most_bytes, 100);
}

TEST(IoThreads, ARequestLargerThanTheBudgetRunsAlone) {
  IoThreads io(4, 10);
  std::latch both(2);
  for (int i = 0; i < 2; ++i) io.submit_io(1000, [&] { both.count_down(); });
  both.wait();
}

TEST(IoThreads, SeveralThreadsServeABurst) {
  IoThreads io(4, 1000);
  std::latch together(4);  // each waits for the others: needs four threads
  std::latch done(4);
  for (int i = 0; i < 4; ++i) {
    io.submit_io(1, [&] {
      together.arrive_and_wait();
      done.count_down();
    });
  }
  done.wait();
}

TEST(IoThreads, WhatDidNotStartIsDroppedAtTheEnd) {
  std::atomic<int> ran{0};
  auto payload = std::make_shared<int>(0);
  {
    IoThreads io(1, 1000);
    std::latch first(1);
    io.submit_io(1, [&] {
      ++ran;
      first.count_down();
      std::this_thread::sleep_for(milliseconds(20));
    });
    first.wait();
    io.submit_io(1, [&ran, payload] { ++ran; });
    io.after(60'000'000, [&ran, payload] { ++ran; });
  }
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(payload.use_count(), 1);
}

TEST(TimerThread, FiresInOrderOfTimeAndNotEarly) {
  TimerThread timers;
  std::vector<int> order;
  std::latch all(3);
  const auto begin = TimerThread::Clock::now();
  const auto add = [&](int ms) {
    timers.add(begin + milliseconds(ms), [&, ms] {
      EXPECT_GE(TimerThread::Clock::now(), begin + milliseconds(ms));
      order.push_back(ms);
      all.count_down();
    });
  };
  for (int ms : {30, 10, 20}) add(ms);
  all.wait();
  EXPECT_EQ(order, (std::vector<int>{10, 20, 30}));
}

TEST(TimerThread, ARemovedTimerDoesNotFire) {
  TimerThread timers;
  std::atomic<bool> fired{false};
  const auto id = timers.add(TimerThread::Clock::now() + milliseconds(10), [&] { fired = true; });
  timers.remove(id);
  std::latch later(1);
  timers.add(TimerThread::Clock::now() + milliseconds(20), [&] { later.count_down(); });
  later.wait();
  EXPECT_FALSE(fired);
}

TEST(TimerThread, RemoveWaitsForATimerThatRuns) {
  TimerThread timers;
  std::latch started(1);
  std::atomic<bool> ended{false};
  const auto id = timers.add(TimerThread::Clock::now(), [&] {
    started.count_down();
    std::this_thread::sleep_for(milliseconds(20));
    ended = true;
  });
  started.wait();
  timers.remove(id);
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace gristmill::sched
