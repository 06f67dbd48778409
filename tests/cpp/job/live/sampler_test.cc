// Rates, loads and remaining time from counters, on a clock that the test moves.

#include "job/live/sampler.h"

#include <gtest/gtest.h>

#include <unistd.h>
#include <chrono>

#include <filesystem>
#include <fstream>

namespace gristmill::job {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Moment {
  base::ManualClock clock;
  JobStatus status{clock};
  ProcessUse use;
  Sampler sampler{status, clock, [this] { return use; }};

  Moment() {
    clock.advance(seconds(100));
    status.lay_out({.name = "j", .steps = {{"csv", StepKind::kSource}, {"out", StepKind::kSink}}, .group_of_worker = {0, 1, 1}});
  }
  void read(int64_t rows) { status.step(0).add({.rows_out = rows, .bytes = rows * 10, .nanoseconds = rows * 1000}); }
};

TEST(Sampler, TheFirstRatesAreThoseSinceTheBeginning) {
  Moment run;
  run.status.set_phase(JobPhase::kRunning);
  run.clock.advance(seconds(2));
  run.read(1000);
  const Sample s = run.sampler.take();
  EXPECT_DOUBLE_EQ(s.rows_in_rate, 500);
  EXPECT_DOUBLE_EQ(s.bytes_in_rate, 5000);
  EXPECT_DOUBLE_EQ(s.steps[0].workers, 0.0005);
}

TEST(Sampler, RatesAreOfTheLastThreeSeconds) {
  Moment run;
  run.status.set_phase(JobPhase::kRunning);
  for (int i = 0; i < 10; ++i) {
    run.clock.advance(seconds(1));
    run.read(i < 5 ? 100'000 : 200);
    run.sampler.take();
  }
  run.clock.advance(seconds(1));
  run.read(200);
  EXPECT_DOUBLE_EQ(run.sampler.take().rows_in_rate, 200);
}

TEST(Sampler, AnEndedRunShowsItsAverage) {
  Moment run;
  run.status.set_phase(JobPhase::kRunning);
  run.clock.advance(seconds(1));
  run.read(900);
  run.sampler.take();
  run.clock.advance(seconds(2));
  run.status.set_phase(JobPhase::kDone);
  run.clock.advance(seconds(50));
  const Sample s = run.sampler.take();
  EXPECT_DOUBLE_EQ(s.rows_in_rate, 300);
  EXPECT_EQ(s.eta_seconds, -1);
  EXPECT_TRUE(s.over());
}

TEST(Sampler, LoadsOfGroupsAndCores) {
  Moment run;
  run.status.set_phase(JobPhase::kRunning);
  run.use.core_seconds = {{0, 0.0}, {4, 0.0}};
  run.sampler.take();
  run.clock.advance(seconds(2));
  run.status.worker(0).add_busy(seconds(1));
  run.status.worker(1).add_busy(seconds(2));
  run.status.worker(2).add_busy(seconds(9));  // counted when its morsel ended
  run.status.worker(2).add_steals(4);
  run.use.core_seconds = {{0, 1.0}, {4, 2.5}, {7, 0.5}};
  run.use.resident_bytes = 77;
  const Sample s = run.sampler.take();
  EXPECT_EQ(s.worker_loads, (std::vector<double>{0.5, 1, 1}));
  ASSERT_EQ(s.groups.size(), 2u);
  EXPECT_DOUBLE_EQ(s.groups[0].load, 0.5);
  EXPECT_DOUBLE_EQ(s.groups[1].load, 1);
  EXPECT_EQ(s.groups[1].steals, 4);
  ASSERT_EQ(s.cores.size(), 3u);
  EXPECT_DOUBLE_EQ(s.cores[0].use, 0.5);
  EXPECT_DOUBLE_EQ(s.cores[1].use, 1);
  EXPECT_DOUBLE_EQ(s.cores[2].use, 0.25);
  EXPECT_EQ(s.resident_bytes, 77);
}

TEST(Sampler, TheRemainingTimeFollowsTheLastHalfMinute) {
  Moment run;
  run.status.set_total_rows(10'000);
  run.status.set_phase(JobPhase::kRunning);
  run.clock.advance(milliseconds(500));
  run.read(10);
  EXPECT_EQ(run.sampler.take().eta_seconds, -1) << "too early to tell";
  for (int i = 0; i < 40; ++i) {
    run.clock.advance(seconds(1));
    run.read(100);
    run.sampler.take();
  }
  const Sample s = run.sampler.take();
  EXPECT_NEAR(s.eta_seconds, (10'000 - 4010) / 100.0, 1e-6);
  run.clock.advance(seconds(40));
  EXPECT_EQ(run.sampler.take().eta_seconds, -1) << "nothing moves: nobody knows";
}

TEST(Sampler, AStallIsSeenWhileItRunsOnly) {
  Moment run;
  run.status.set_phase(JobPhase::kRunning);
  run.clock.advance(seconds(6));
  EXPECT_TRUE(run.sampler.take().stalled_for(5));
  EXPECT_FALSE(run.sampler.take().stalled_for(7));
  run.status.set_phase(JobPhase::kDone);
  EXPECT_FALSE(run.sampler.take().stalled_for(5));
}

TEST(ProcessUse, AThreadsNameMayHoldAnything) {
  int64_t ticks = 0;
  int core = -1;
  std::string line = "42 (a) S (b) 1 2) R";
  for (int field = 4; field <= 52; ++field) line += " " + std::to_string(field == 14 ? 30 : field == 15 ? 12 : field == 39 ? 5 : 0);
  EXPECT_TRUE(parse_thread_stat(line, &ticks, &core));
  EXPECT_EQ(ticks, 42);
  EXPECT_EQ(core, 5);
  EXPECT_FALSE(parse_thread_stat("", &ticks, &core));
  EXPECT_FALSE(parse_thread_stat("42 (short) R 1 2 3", &ticks, &core));
}

TEST(ProcessUse, TimeGoesToTheCoreOfTheThread) {
  const std::filesystem::path root = std::filesystem::temp_directory_path() / ("gm-proc-" + std::to_string(getpid()));
  const auto thread = [&](int id, int64_t user, int core) {
    std::filesystem::create_directories(root / "task" / std::to_string(id));
    std::string line = std::to_string(id) + " (gm-worker) R";
    for (int field = 4; field <= 52; ++field) line += " " + std::to_string(field == 14 ? user : field == 39 ? core : 0);
    std::ofstream(root / "task" / std::to_string(id) / "stat") << line << "\n";
  };
  thread(1, 1000, 0);
  std::ofstream(root / "statm") << "900 25 1 1 0 1 0\n";
  ProcessUseReader reader(root.string());
  const double tick = 1.0 / static_cast<double>(sysconf(_SC_CLK_TCK));
  thread(1, 1010, 900);
  thread(2, 7, 901);
  const ProcessUse use = reader.read();
  EXPECT_DOUBLE_EQ(use.core_seconds.at(900), 10 * tick);
  EXPECT_DOUBLE_EQ(use.core_seconds.at(901), 7 * tick);
  EXPECT_EQ(use.resident_bytes, 25 * sysconf(_SC_PAGESIZE));
  std::filesystem::remove_all(root);
  EXPECT_EQ(reader.read().resident_bytes, 0) << "gone, and no crash";
}

}  // namespace
}  // namespace gristmill::job
