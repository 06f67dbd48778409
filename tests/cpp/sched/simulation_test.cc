// One seed: one random query of the model and one schedule. Under every schedule: no deadlock, no row lost or doubled, the rows of the
// sequential model, the smallest error. GRISTMILL_SIM_SEED=n replays one seed (and prints its query).

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "base/status.h"
#include "sched/model_task.h"

namespace gristmill::sched::model {
namespace {

std::string simulate(uint64_t seed) {
  const Spec spec = random_spec(seed);
  auto scheduler = simulated_scheduler(seed);
  return run_and_compare(spec, *scheduler, static_cast<int>(1 + mix(seed, 3) % 6));
}

TEST(Simulation, TenThousandSeeds) {
  if (const char* one = std::getenv("GRISTMILL_SIM_SEED")) {
    const uint64_t seed = std::strtoull(one, nullptr, 10);
    printf("seed %s\n%s", one, random_spec(seed).describe().c_str());
    EXPECT_EQ(simulate(seed), "");
    return;
  }
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr uint64_t kSeeds = 2'000;
#else
  constexpr uint64_t kSeeds = 10'000;
#endif
  const char* from = std::getenv("GRISTMILL_SIM_FROM");  // other seeds, for a long run
  const uint64_t first = from != nullptr ? std::strtoull(from, nullptr, 10) : 0;
  int failures = 0;
  for (uint64_t seed = first; seed < first + kSeeds && failures < 5; ++seed) {
    const std::string wrong = simulate(seed);
    if (wrong.empty()) continue;
    ++failures;
    ADD_FAILURE() << "GRISTMILL_SIM_SEED=" << seed << "\n" << random_spec(seed).describe() << wrong;
  }
  // The seeds would prove little if the mechanisms rested.
  const Coverage& c = coverage();
  printf(
      "steps %ld, spilled %ld, flushes refused %ld, no room in ring %ld, window full %ld, nothing to take %ld, steals %ld, late sources "
      "%ld, abandoned %ld\n",
      c.steps.load(), c.spilled.load(), c.refused.load(), c.no_room.load(), c.window_full.load(), c.nothing_to_take.load(), c.steals.load(),
      c.late_sources.load(), c.abandoned.load());
  for (const auto* n : {&c.spilled, &c.refused, &c.no_room, &c.window_full, &c.nothing_to_take, &c.steals, &c.late_sources, &c.abandoned}) {
    EXPECT_GT(n->load(), static_cast<int64_t>(kSeeds / 20));
  }
}

// Nor if most queries were trivial.
TEST(Simulation, SeedsReachEveryMechanism) {
  int errors = 0, step_errors = 0, limits = 0, asynchronous = 0, cancels = 0, rows = 0, rates = 0, ranges = 0, caps = 0, fine = 0;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const Spec spec = random_spec(seed);
    const Expected expected = run_sequentially(spec);
    errors += expected.failed >= 0;
    fine += expected.failed < 0;
    step_errors += expected.failed >= 0 && expected.message == step_error(expected.failed);
    cancels += spec.cancel_at_step.has_value();
    for (const Pipeline& p : spec.pipelines) {
      limits += p.limit.has_value();
      asynchronous += p.sink == SinkKind::kAsync;
      rates += p.rows_per_second > 0;
      ranges += p.range_claims;
      caps += p.byte_cap < 200;
    }
    for (const auto& output : expected.outputs) rows += !output.empty();
  }
  for (int n : {errors, limits, asynchronous, cancels, rates, ranges, caps}) EXPECT_GT(n, 200);
  EXPECT_GT(step_errors, 20);
  EXPECT_GT(fine, 600);
  EXPECT_GT(rows, 2000);
}

TEST(Simulation, TheSameQueriesOnRealThreads) {
  for (int workers : {1, 2, 3, 8}) {
    for (uint64_t seed = 0; seed < 100; ++seed) {
      const Spec spec = random_spec(seed * 4 + static_cast<uint64_t>(workers) * 1000);
      ASSERT_EQ(run_and_compare(spec, Scheduler::process(), workers), "") << "seed " << spec.seed << ", " << workers << " workers\n"
                                                                          << spec.describe();
    }
  }
}

TEST(Simulation, SeveralCallersOnRealThreads) {
  std::vector<std::thread> callers;
  for (uint64_t c = 0; c < 4; ++c) {
    callers.emplace_back([c] {
      for (uint64_t seed = 0; seed < 40; ++seed) {
        const Spec spec = random_spec(50'000 + seed * 4 + c);
        EXPECT_EQ(run_and_compare(spec, Scheduler::process(), static_cast<int>(1 + seed % 5)), "") << "seed " << spec.seed;
      }
    });
  }
  for (auto& caller : callers) caller.join();
}

// A source that is done only when stepped so often; records the order of its steps.
struct Recorder final : Task {
  Recorder(int id, int steps, std::vector<int>& order) : id(id), left(steps), order(order) {}
  std::string name() const override { return "recorder " + std::to_string(id); }
  int max_slots() const override { return 1; }
  arrow::Result<Step> step(int) override {
    order.push_back(id);
    return --left <= 0 ? Step::done() : Step::progress();
  }
  arrow::Status finish() override { return arrow::Status::OK(); }
  const int id;
  int left;
  std::vector<int>& order;
};

std::vector<int> order_of(uint64_t seed) {
  std::vector<int> order;
  Query query;
  for (int i = 0; i < 3; ++i) query.nodes.push_back({std::make_shared<Recorder>(i, 10, order), {}});
  RunOptions options;
  options.workers = 3;
  auto scheduler = simulated_scheduler(seed);
  EXPECT_TRUE(scheduler->run(query, options).ok());
  return order;
}

TEST(Simulator, TheSameSeedGivesTheSameSchedule) {
  int different = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(order_of(seed), order_of(seed));
    different += order_of(seed) != order_of(seed + 1);
  }
  EXPECT_GT(different, 5);
}

struct Stuck final : Task {
  std::string name() const override { return "the stuck one"; }
  int max_slots() const override { return 1; }
  arrow::Result<Step> step(int) override { return Step::blocked(std::make_shared<base::WaitHandle>()); }
  arrow::Status finish() override { return arrow::Status::OK(); }
  void abandon() override { abandoned = true; }
  bool abandoned = false;
};

TEST(Simulator, ADeadlockNamesTheSeedAndWhoWaits) {
  auto task = std::make_shared<Stuck>();
  Query query;
  query.nodes.push_back({task, {}});
  const arrow::Status status = simulated_scheduler(4711)->run(query, RunOptions{});
  EXPECT_EQ(base::error_kind(status), base::ErrorKind::kInternal);
  EXPECT_NE(status.message().find("4711"), std::string::npos) << status.ToString();
  EXPECT_NE(status.message().find("the stuck one"), std::string::npos) << status.ToString();
  EXPECT_NE(status.message().find("parked"), std::string::npos) << status.ToString();
  EXPECT_TRUE(task->abandoned);
}

struct Sleeper final : Task {
  Sleeper(Scheduler& s, std::vector<int64_t>& fired) : scheduler(s), fired(fired) {}
  std::string name() const override { return "sleeper"; }
  int max_slots() const override { return 1; }
  arrow::Result<Step> step(int) override {
    if (started) return Step::done();
    started = true;
    auto last = std::make_shared<base::WaitHandle>();
    for (int64_t us : {700, 100, 400, 100}) {
      scheduler.background().after(us, [this, us, last] {
        fired.push_back(us);
        if (us == 700) last->fire();
      });
    }
    return Step::blocked(last);
  }
  arrow::Status finish() override { return arrow::Status::OK(); }
  Scheduler& scheduler;
  std::vector<int64_t>& fired;
  bool started = false;
};

TEST(Simulator, TimersFireInTheOrderOfTheirTimeAndMoveTheClock) {
  auto scheduler = simulated_scheduler(5);
  std::vector<int64_t> fired;
  Query query;
  query.nodes.push_back({std::make_shared<Sleeper>(*scheduler, fired), {}});
  const auto begin = scheduler->background().clock().now();
  ASSERT_TRUE(scheduler->run(query, RunOptions{}).ok());
  EXPECT_EQ(fired, (std::vector<int64_t>{100, 100, 400, 700}));
  EXPECT_EQ(scheduler->background().clock().now() - begin, std::chrono::microseconds(700));
}

}  // namespace
}  // namespace gristmill::sched::model
