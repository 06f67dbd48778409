// The real scheduler: who runs, what errors and cancellation end, what idling costs.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "base/status.h"
#include "sched/claim.h"
#include "sched/task.h"

namespace gristmill::sched {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A task made of functions; counts what the scheduler calls.
struct Scripted final : Task {
  std::function<arrow::Result<Step>(int)> on_step = [](int) { return Step::done(); };
  std::function<arrow::Status()> on_prepare = [] { return arrow::Status::OK(); };
  std::function<arrow::Status()> on_finish = [] { return arrow::Status::OK(); };
  std::function<void()> on_abandon = [] {};
  int slots = 64;
  std::atomic<int> prepared{0}, steps{0}, finished{0}, abandoned{0}, inside{0};
  std::mutex mutex;
  std::set<std::thread::id> threads;

  std::string name() const override { return "scripted"; }
  arrow::Status prepare(int) override {
    ++prepared;
    return on_prepare();
  }
  int max_slots() const override { return slots; }
  arrow::Result<Step> step(int slot) override {
    EXPECT_EQ(prepared, 1);
    EXPECT_EQ(finished + abandoned, 0);
    EXPECT_LT(slot, slots);
    {
      std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
    }
    struct Inside {
      explicit Inside(std::atomic<int>& n) : count(n) { ++count; }
      ~Inside() { --count; }
      std::atomic<int>& count;
    } here(inside);
    ++steps;
    return on_step(slot);
  }
  arrow::Status finish() override {
    EXPECT_EQ(inside, 0);
    ++finished;
    return on_finish();
  }
  void abandon() override {
    EXPECT_EQ(inside, 0);
    ++abandoned;
    on_abandon();
  }
};

std::shared_ptr<Scripted> scripted() { return std::make_shared<Scripted>(); }

// Steps `n` times in all, then is done.
std::shared_ptr<Scripted> counted(int n, std::function<void(int)> work = [](int) {}) {
  auto task = scripted();
  std::shared_ptr<Claims> claims = counter_claims(static_cast<uint64_t>(n));
  task->on_step = [claims, work](int slot) {
    auto seq = claims->next(slot);
    if (!seq) return Step::done();
    work(static_cast<int>(*seq));
    return Step::progress();
  };
  return task;
}

Query query_of(std::vector<std::shared_ptr<Scripted>> tasks, std::vector<std::vector<int>> after = {}) {
  Query query;
  for (size_t t = 0; t < tasks.size(); ++t) query.nodes.push_back({tasks[t], t < after.size() ? after[t] : std::vector<int>{}});
  return query;
}

arrow::Status run(const Query& query, int workers, Statistics* statistics = nullptr) {
  RunOptions options;
  options.workers = workers;
  return Scheduler::process().run(query, options, statistics);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

TEST(Scheduler, AQueryWithoutTasksIsOver) { EXPECT_TRUE(run(query_of({}), 2).ok()); }

TEST(Scheduler, EveryTaskIsPreparedSteppedAndFinishedOnce) {
  for (int workers : {1, 2, 3, 8}) {
    auto a = counted(100), b = counted(50), c = counted(1);
    ASSERT_TRUE(run(query_of({a, b, c}, {{}, {0}, {0, 1}}), workers).ok());
    for (const auto& task : {a, b, c}) {
      EXPECT_EQ(task->prepared, 1);
      EXPECT_EQ(task->finished, 1);
      EXPECT_EQ(task->abandoned, 0);
    }
  }
}

TEST(Scheduler, ATaskStartsOnlyAfterThoseBeforeItFinished) {
  for (int workers : {1, 4}) {
    auto first = counted(200), second = counted(10);
    second->on_prepare = [&] {
      EXPECT_EQ(first->finished, 1);
      return arrow::Status::OK();
    };
    ASSERT_TRUE(run(query_of({first, second}, {{}, {0}}), workers).ok());
  }
}

TEST(Scheduler, InlineUsesOnlyTheCallersThread) {
  auto task = counted(100);
  RunOptions options;
  options.workers = 4;
  options.inline_on_caller = true;
  ASSERT_TRUE(Scheduler::process().run(query_of({task}), options).ok());
  EXPECT_EQ(task->threads, std::set<std::thread::id>{std::this_thread::get_id()});
}

TEST(Scheduler, TwoWorkersAreTheCallerAndOneMore) {
  std::atomic<int> together{0};
  auto task = counted(2, [&](int) {
    ++together;
    const auto until = steady_clock::now() + std::chrono::seconds(10);
    while (together < 2 && steady_clock::now() < until) std::this_thread::yield();
  });
  ASSERT_TRUE(run(query_of({task}), 2).ok());
  EXPECT_EQ(together, 2);
  EXPECT_EQ(task->threads.size(), 2u);
  EXPECT_TRUE(task->threads.contains(std::this_thread::get_id()));
}

TEST(Scheduler, ASequentialTaskIsNeverSteppedTwiceAtOnce) {
  auto task = counted(500, [](int) {});
  task->slots = 1;
  auto inner = task->on_step;
  task->on_step = [&, inner](int slot) {
    EXPECT_EQ(task->inside, 1);
    return inner(slot);
  };
  auto other = counted(500);
  ASSERT_TRUE(run(query_of({task, other}), 4).ok());
}

// Meets another thread inside `count` within ten seconds.
bool met(std::atomic<int>& count) {
  ++count;
  const auto until = steady_clock::now() + std::chrono::seconds(10);
  while (count < 2 && steady_clock::now() < until) std::this_thread::yield();
  return count >= 2;
}

TEST(Scheduler, IndependentTasksAreSteppedAndFinishedSideBySide) {
  for (bool in_finish : {false, true}) {
    std::atomic<int> count{0};
    std::vector<std::shared_ptr<Scripted>> tasks;
    for (int i = 0; i < 2; ++i) {
      tasks.push_back(counted(1, [&](int) { EXPECT_TRUE(in_finish || met(count)); }));
      tasks.back()->slots = 1;
      if (in_finish) {
        tasks.back()->on_finish = [&] {
          EXPECT_TRUE(met(count));
          return arrow::Status::OK();
        };
      }
    }
    ASSERT_TRUE(run(query_of(tasks), 2).ok());
  }
}

TEST(Scheduler, DependentsOfOneTaskStartSideBySide) {
  std::atomic<int> count{0};
  auto first = counted(1);
  auto a = counted(1, [&](int) { EXPECT_TRUE(met(count)); });
  auto b = counted(1, [&](int) { EXPECT_TRUE(met(count)); });
  for (const auto& task : {first, a, b}) task->slots = 1;
  ASSERT_TRUE(run(query_of({first, a, b}, {{}, {0}, {0}}), 2).ok());
}

TEST(Scheduler, SlotsWokenTogetherAreSteppedSideBySide) {
  std::atomic<int> count{0}, parked{0};
  auto handle = std::make_shared<base::WaitHandle>();
  auto task = scripted();
  task->slots = 2;
  task->on_step = [&](int) {
    if (handle->ready()) {
      EXPECT_TRUE(met(count));
      return Step::done();
    }
    if (++parked == 2) Scheduler::process().background().after(20'000, [handle] { handle->fire(); });
    return Step::blocked(handle);
  };
  ASSERT_TRUE(run(query_of({task}), 2).ok());
}

TEST(Scheduler, ABlockedSlotGoesOnWhenItsHandleFires) {
  for (int workers : {1, 2}) {
    auto task = scripted();
    std::atomic<int> asked{0};
    task->slots = 1;
    task->on_step = [&](int) {
      if (++asked > 20) return Step::done();
      auto handle = std::make_shared<base::WaitHandle>();
      Scheduler::process().background().submit_io(10, [handle] { handle->fire(); });
      return Step::blocked(handle);
    };
    ASSERT_TRUE(run(query_of({task}), workers).ok());
    EXPECT_EQ(asked, 21);
  }
}

TEST(Scheduler, AWorkerGoesToOtherWorkWhileASlotIsBlocked) {
  auto blocked = scripted();
  auto handle = std::make_shared<base::WaitHandle>();
  blocked->on_step = [&](int) { return handle->ready() ? Step::done() : Step::blocked(handle); };
  auto other = counted(10, [&](int seq) {
    if (seq == 9) handle->fire();
  });
  ASSERT_TRUE(run(query_of({blocked, other}), 1).ok());
  EXPECT_EQ(other->finished, 1);
}

TEST(Scheduler, TheSmallestTaskWithAnErrorWins) {
  for (int workers : {1, 3}) {
    auto a = counted(50), b = counted(5), c = counted(5);
    a->on_finish = [] { return base::data_error("first"); };
    b->on_step = [](int) -> arrow::Result<Step> { return base::internal_error("second"); };
    auto after_b = counted(1);
    const arrow::Status status = run(query_of({a, b, c, after_b}, {{}, {}, {}, {1}}), workers);
    EXPECT_EQ(status.message(), "first") << status.ToString();
    EXPECT_EQ(a->finished, 1);
    EXPECT_EQ(b->abandoned, 1);
    EXPECT_EQ(b->finished, 0);
    EXPECT_EQ(c->abandoned + c->finished, 1);
    EXPECT_EQ(after_b->prepared, 0);
    EXPECT_EQ(after_b->abandoned, 1);
  }
}

TEST(Scheduler, AFailedPrepareEndsItsDependents) {
  auto a = counted(1), b = counted(1);
  a->on_prepare = [] { return base::io_error("no such file"); };
  const arrow::Status status = run(query_of({a, b}, {{}, {0}}), 2);
  EXPECT_EQ(status.message(), "no such file");
  EXPECT_EQ(a->abandoned, 1);
  EXPECT_EQ(b->abandoned, 1);
}

TEST(Scheduler, WhatATaskThrowsIsAnError) {
  auto task = scripted();
  task->on_step = [](int) -> arrow::Result<Step> { throw std::runtime_error("boom"); };
  const arrow::Status status = run(query_of({task}), 1);
  EXPECT_NE(status.ToString().find("boom"), std::string::npos);
}

TEST(Scheduler, TasksThatWaitForEachOtherAreRefused) {
  auto a = scripted(), b = scripted();
  EXPECT_FALSE(run(query_of({a, b}, {{1}, {0}}), 1).ok());
  EXPECT_FALSE(run(query_of({a}, {{7}}), 1).ok());
}

TEST(Scheduler, CancellationAbandonsInOrderAndGivesTheReason) {
  for (int workers : {1, 3}) {
    std::vector<int> order;
    auto a = counted(1 << 30), b = counted(1 << 30), c = counted(1);
    a->on_abandon = [&] { order.push_back(0); };
    b->on_abandon = [&] { order.push_back(1); };
    c->on_abandon = [&] { order.push_back(2); };
    Query query = query_of({a, b, c}, {{}, {}, {1}});
    std::thread canceller([token = query.cancel] {
      std::this_thread::sleep_for(milliseconds(20));
      token.cancel(base::cancelled_error("enough"));
    });
    const arrow::Status status = run(query, workers);
    canceller.join();
    EXPECT_EQ(status.message(), "enough");
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
  }
}

// From the reason to run() coming back, for a busy query and for one that sleeps.
TEST(Scheduler, CancellationIsSeenWithinFiftyMilliseconds) {
  for (int workers : {1, 2, 4}) {
    for (bool sleeping : {false, true}) {
      auto task = counted(1 << 30);
      auto never = std::make_shared<base::WaitHandle>();
      if (sleeping) task->on_step = [never](int) { return Step::blocked(never); };
      Query query = query_of({task});
      steady_clock::time_point asked;
      std::thread canceller([&] {
        std::this_thread::sleep_for(milliseconds(30));
        asked = steady_clock::now();
        query.cancel.cancel(base::cancelled_error());
      });
      EXPECT_FALSE(run(query, workers).ok());
      const auto took = steady_clock::now();
      canceller.join();
      EXPECT_LT(took - asked, milliseconds(50)) << workers << " workers";
    }
  }
}

TEST(Scheduler, ADeadlineEndsTheQuery) {
  for (bool sleeping : {false, true}) {
    auto task = counted(1 << 30);
    auto never = std::make_shared<base::WaitHandle>();
    if (sleeping) task->on_step = [never](int) { return Step::blocked(never); };
    Query query = query_of({task});
    const auto begin = steady_clock::now();
    query.cancel.set_deadline(begin + milliseconds(40));
    const arrow::Status status = run(query, 2);
    EXPECT_EQ(base::error_kind(status), base::ErrorKind::kTimeout);
    EXPECT_GE(steady_clock::now() - begin, milliseconds(40));
    EXPECT_LT(steady_clock::now() - begin, milliseconds(90));
  }
}

TEST(Scheduler, InterruptIsPolledWhileTheCallerWorksAndWhileItSleeps) {
  for (bool sleeping : {false, true}) {
    auto task = counted(1 << 30);
    auto never = std::make_shared<base::WaitHandle>();
    if (sleeping) task->on_step = [never](int) { return Step::blocked(never); };
    Query query = query_of({task});
    int polls = 0;
    const auto caller = std::this_thread::get_id();
    query.interrupt = [&] {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      return ++polls == 3 ? base::cancelled_error("Ctrl-C") : arrow::Status::OK();
    };
    const auto begin = steady_clock::now();
    EXPECT_EQ(run(query, 2).message(), "Ctrl-C");
    EXPECT_LT(steady_clock::now() - begin, milliseconds(150));
    EXPECT_GE(steady_clock::now() - begin, milliseconds(55));
  }
}

TEST(Scheduler, AQueryInsideATaskRunsInline) {
  auto inner = counted(20);
  auto outer = counted(1, [&](int) { EXPECT_TRUE(run(query_of({inner}), 4).ok()); });
  ASSERT_TRUE(run(query_of({outer}), 3).ok());
  EXPECT_EQ(inner->threads.size(), 1u);
  EXPECT_EQ(inner->finished, 1);
}

TEST(Scheduler, ManyQueriesRunAtOnce) {
  std::vector<std::thread> callers;
  for (int i = 0; i < 6; ++i) {
    callers.emplace_back([i] {
      for (int k = 0; k < 20; ++k) {
        auto a = counted(100), b = counted(30);
        ASSERT_TRUE(run(query_of({a, b}, {{}, {0}}), 1 + (i + k) % 5).ok());
        EXPECT_EQ(b->finished, 1);
      }
    });
  }
  for (auto& caller : callers) caller.join();
}

TEST(Scheduler, AnArrivingQueryGetsItsShareOfThePool) {
  std::atomic<bool> enough{false};
  auto endless = scripted();
  endless->on_step = [&](int) { return enough ? Step::done() : Step::progress(); };
  std::thread first([&] { EXPECT_TRUE(run(query_of({endless}), 5).ok()); });
  while (endless->steps < 1000) std::this_thread::yield();
  std::atomic<int> count{0};
  auto late = counted(2, [&](int) { EXPECT_TRUE(met(count)); });
  EXPECT_TRUE(run(query_of({late}), 2).ok());
  EXPECT_EQ(late->threads.size(), 2u);
  enough = true;
  first.join();
}

TEST(Scheduler, StatisticsCountTheStepsOfEachWorker) {
  auto task = counted(1000);
  Statistics statistics;
  ASSERT_TRUE(run(query_of({task}), 3, &statistics).ok());
  ASSERT_EQ(statistics.workers.size(), 3u);
  int64_t steps = 0;
  for (const auto& worker : statistics.workers) steps += worker.processed_count;
  EXPECT_EQ(steps, task->steps);
  EXPECT_EQ(statistics.num_workers, 3);
  EXPECT_GT(statistics.processing_time_seconds, 0);
  EXPECT_GT(statistics.workers[0].busy_seconds, 0);
}

TEST(Scheduler, IdleCostsNoCpu) {
  auto handle = std::make_shared<base::WaitHandle>();
  Scheduler::process().background().after(1000, [handle] { handle->fire(); });
  auto task = scripted();
  task->on_step = [&](int) { return handle->ready() ? Step::done() : Step::blocked(handle); };
  ASSERT_TRUE(run(query_of({task, counted(1000)}), 4).ok());
  std::this_thread::sleep_for(milliseconds(20));
  const double before = cpu_seconds();
  std::this_thread::sleep_for(milliseconds(300));
  EXPECT_LT(cpu_seconds() - before, 0.005);
}

TEST(Scheduler, ABlockedQueryCostsNoCpu) {
  auto handle = std::make_shared<base::WaitHandle>();
  auto task = scripted();
  task->on_step = [&](int) { return handle->ready() ? Step::done() : Step::blocked(handle); };
  Scheduler::process().background().after(300'000, [handle] { handle->fire(); });
  const double before = cpu_seconds();
  ASSERT_TRUE(run(query_of({task}), 4).ok());
  EXPECT_LT(cpu_seconds() - before, 0.01);
}

TEST(Scheduler, AForkedChildBuildsItsOwnPool) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "threads after a fork of many are not supported by ThreadSanitizer";
#endif
  ASSERT_TRUE(run(query_of({counted(1000)}), 3).ok());
  const pid_t child = fork();
  if (child == 0) {
    auto task = scripted();
    auto handle = std::make_shared<base::WaitHandle>();
    Scheduler::process().background().after(1000, [handle] { handle->fire(); });
    task->on_step = [&](int) { return handle->ready() ? Step::done() : Step::blocked(handle); };
    const bool ok = run(query_of({task, counted(1000)}), 3).ok() && task->finished == 1;
    _exit(ok ? 0 : 1);
  }
  int status = 0;
  const auto until = steady_clock::now() + std::chrono::seconds(20);
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (steady_clock::now() > until) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      FAIL() << "the child hangs";
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_TRUE(run(query_of({counted(1000)}), 3).ok());
}

// The price of the machinery around one step; printed, and bounded loosely because machines are shared.
TEST(Scheduler, AnInlineQueryOfOneStepIsCheap) {
  struct Empty final : Task {
    std::string name() const override { return "empty"; }
    int max_slots() const override { return 1; }
    arrow::Result<Step> step(int) override { return Step::done(); }
    arrow::Status finish() override { return arrow::Status::OK(); }
  };
  Query query;
  query.nodes.push_back({std::make_shared<Empty>(), {}});
  RunOptions options;
  options.inline_on_caller = true;
  double best = 1;
  for (int round = 0; round < 20; ++round) {
    const auto begin = steady_clock::now();
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(Scheduler::process().run(query, options).ok());
    best = std::min(best, std::chrono::duration<double>(steady_clock::now() - begin).count() / 1000);
  }
  RecordProperty("nanoseconds", static_cast<int>(best * 1e9));
  printf("one inline query of one step: %.0f ns\n", best * 1e9);
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(best, 3e-6);
#endif
}

}  // namespace
}  // namespace gristmill::sched
