// The real scheduler: who runs where and when, and what errors end.

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/status.h"
#include "base/topology.h"
#include "sched/scripted_task.h"
#include "sched/task.h"

namespace gristmill::sched {
namespace {

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
  task->on_report = [](Statistics& s) { s.total_morsels_processed += 1000; };
  Statistics statistics;
  ASSERT_TRUE(run(query_of({task}), 3, &statistics).ok());
  ASSERT_EQ(statistics.workers.size(), 3u);
  int64_t steps = 0;
  for (const auto& worker : statistics.workers) steps += worker.processed_count;
  EXPECT_EQ(steps, task->steps);
  EXPECT_EQ(statistics.num_workers, 3);
  EXPECT_GT(statistics.processing_time_seconds, 0);
  EXPECT_GT(statistics.workers[0].busy_seconds, 0);
  EXPECT_EQ(statistics.total_morsels_processed, 1000);
  EXPECT_GT(statistics.morsels_per_second, 0);
}

// Cores that the thread of worker 1 may use during a run.
int cores_of_the_second_worker(bool pin) {
  std::atomic<int> count{0}, cores{0};
  const auto caller = std::this_thread::get_id();
  auto task = counted(2, [&](int) {
    if (std::this_thread::get_id() != caller) {
      cpu_set_t set;
      sched_getaffinity(0, sizeof set, &set);
      cores = CPU_COUNT(&set);
    }
    EXPECT_TRUE(met(count));
  });
  RunOptions options;
  options.workers = 2;
  options.pin = pin;
  EXPECT_TRUE(Scheduler::process().run(query_of({task}), options).ok());
  return cores;
}

TEST(Scheduler, ThreadsArePinnedOnlyForARunThatAsks) {
  const int free_cores = cores_of_the_second_worker(false);
  if (base::Topology::system().cpu_of(1) >= 0) {
    EXPECT_EQ(cores_of_the_second_worker(true), 1);
  }
  EXPECT_EQ(cores_of_the_second_worker(false), free_cores);
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

}  // namespace
}  // namespace gristmill::sched
