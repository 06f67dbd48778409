// How fast the real scheduler ends a query that is cancelled, and what idling and small queries cost.

#include <sys/resource.h>

#include "base/status.h"
#include "sched/scripted_task.h"

namespace gristmill::sched {
namespace {

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
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

// The best of a few tries: what the scheduler needs, not what a busy machine adds.
template <typename Try>
milliseconds best_of_three(Try attempt) {
  auto best = steady_clock::duration::max();
  for (int i = 0; i < 3; ++i) best = std::min<steady_clock::duration>(best, attempt());
  return std::chrono::duration_cast<milliseconds>(best);
}

// From the reason to run() coming back, for a busy query and for one that sleeps.
TEST(Scheduler, CancellationIsSeenWithinFiftyMilliseconds) {
  for (int workers : {1, 2, 4}) {
    for (bool sleeping : {false, true}) {
      const auto took = best_of_three([&] {
        Query query = query_of({endless(sleeping)});
        steady_clock::time_point asked;
        std::thread canceller([&] {
          std::this_thread::sleep_for(milliseconds(15));
          asked = steady_clock::now();
          query.cancel.cancel(base::cancelled_error());
        });
        EXPECT_FALSE(run(query, workers).ok());
        const auto back = steady_clock::now();
        canceller.join();
        return back - asked;
      });
      EXPECT_LT(took, milliseconds(50)) << workers << " workers";
    }
  }
}

TEST(Scheduler, ADeadlineEndsTheQuery) {
  for (bool sleeping : {false, true}) {
    const auto late = best_of_three([&] {
      Query query = query_of({endless(sleeping)});
      const auto deadline = steady_clock::now() + milliseconds(20);
      query.cancel.set_deadline(deadline);
      const arrow::Status status = run(query, 2);
      EXPECT_EQ(base::error_kind(status), base::ErrorKind::kTimeout);
      EXPECT_GE(steady_clock::now(), deadline);
      return steady_clock::now() - deadline;
    });
    EXPECT_LT(late, milliseconds(50));
  }
}

TEST(Scheduler, InterruptIsPolledWhileTheCallerWorksAndWhileItSleeps) {
  for (bool sleeping : {false, true}) {
    Query query = query_of({endless(sleeping)});
    int polls = 0;
    const auto caller = std::this_thread::get_id();
    query.interrupt = [&] {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      return ++polls == 3 ? base::cancelled_error("Ctrl-C") : arrow::Status::OK();
    };
    const auto begin = steady_clock::now();
    EXPECT_EQ(run(query, 2).message(), "Ctrl-C");
    EXPECT_LT(steady_clock::now() - begin, milliseconds(1000));
    EXPECT_GE(steady_clock::now() - begin, milliseconds(55));
  }
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
