// Counters, phases, quantiles, probes: what a reader sees of a running job.

#include "job/job_status.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace gristmill::job {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

JobShape three_steps() {
  return {.name = "orders",
          .steps = {{"csv", StepKind::kSource}, {"filter", StepKind::kTransform}, {"parquet", StepKind::kSink}},
          .group_of_worker = {0, 0, 1}};
}

TEST(JobStatus, SumsSourcesAndSinks) {
  JobStatus status;
  status.lay_out(three_steps());
  status.step(0).add({.rows_out = 100, .bytes = 4000});
  status.step(1).add({.rows_in = 100, .rows_out = 70, .filtered = 25, .rejected = 5, .nanoseconds = 9, .batches = 1});
  status.step(2).add({.rows_in = 70, .rows_out = 60, .skipped = 10, .bytes = 1000});
  const Snapshot s = status.snapshot();
  EXPECT_EQ(s.name, "orders");
  EXPECT_EQ(s.rows_in, 100);
  EXPECT_EQ(s.rows_out, 60);
  EXPECT_EQ(s.bytes_in, 4000);
  EXPECT_EQ(s.bytes_out, 1000);
  EXPECT_EQ(s.filtered, 25);
  EXPECT_EQ(s.rejected, 5);
  EXPECT_EQ(s.skipped, 10);
  EXPECT_EQ(s.groups(), 2);
  EXPECT_EQ(s.steps[1].nanoseconds, 9);
}

TEST(JobStatus, BeforeTheLayoutThereIsAPhaseAndNothingElse) {
  JobStatus status;
  const Snapshot s = status.snapshot();
  EXPECT_EQ(s.phase, JobPhase::kStarting);
  EXPECT_TRUE(s.steps.empty());
  EXPECT_EQ(s.groups(), 0);
  EXPECT_EQ(s.fraction_done(), -1);
}

TEST(JobStatus, TimeRunsFromRunningToTheEnd) {
  base::ManualClock clock;
  JobStatus status(clock);
  clock.advance(milliseconds(500));
  EXPECT_EQ(status.snapshot().seconds, 0);
  status.set_phase(JobPhase::kRunning);
  clock.advance(milliseconds(1500));
  EXPECT_DOUBLE_EQ(status.snapshot().seconds, 1.5);
  EXPECT_DOUBLE_EQ(status.snapshot().seconds_since_progress, 1.5);
  status.progressed();
  clock.advance(milliseconds(250));
  EXPECT_DOUBLE_EQ(status.snapshot().seconds_since_progress, 0.25);
  status.set_phase(JobPhase::kDone);
  clock.advance(milliseconds(9000));
  EXPECT_DOUBLE_EQ(status.snapshot().seconds, 1.75);
}

TEST(JobStatus, PhasesGoForwardOnly) {
  JobStatus status;
  status.set_phase(JobPhase::kDraining, "stopped by a signal");
  status.set_phase(JobPhase::kRunning, "late");
  EXPECT_EQ(status.phase(), JobPhase::kDraining);
  EXPECT_EQ(status.snapshot().message, "stopped by a signal");
  status.set_phase(JobPhase::kDone);
  status.set_phase(JobPhase::kFailed, "too late");
  EXPECT_EQ(status.phase(), JobPhase::kDone);
}

TEST(JobStatus, KnowsHowFarItIsByRowsThenBytesThenParts) {
  JobStatus status;
  status.lay_out(three_steps());
  status.set_total_parts(4);
  status.add_parts_done(1);
  EXPECT_DOUBLE_EQ(status.snapshot().fraction_done(), 0.25);
  status.set_total_bytes(1000);
  EXPECT_DOUBLE_EQ(status.snapshot().fraction_done(), 0.25) << "the source counts no bytes";
  status.step(0).add({.rows_out = 1, .bytes = 600});
  EXPECT_DOUBLE_EQ(status.snapshot().fraction_done(), 0.6);
  status.set_total_rows(10);
  EXPECT_DOUBLE_EQ(status.snapshot().fraction_done(), 0.1);
  status.step(0).add({.rows_out = 100});  // a file grew meanwhile
  EXPECT_DOUBLE_EQ(status.snapshot().fraction_done(), 1);
  status.set_total_rows(0);
  EXPECT_DOUBLE_EQ(status.snapshot().fraction_done(), 1);
}

TEST(BatchTimes, QuantilesAreWithinABucketOfTheTruth) {
  BatchTimes times;
  EXPECT_EQ(times.quantile_seconds(0.5), 0);
  for (int i = 1; i <= 1000; ++i) times.add(std::chrono::microseconds(i));
  EXPECT_EQ(times.count(), 1000);
  EXPECT_NEAR(times.quantile_seconds(0.5), 500e-6, 500e-6 * 0.0625);
  EXPECT_NEAR(times.quantile_seconds(0.99), 990e-6, 990e-6 * 0.0625);
  EXPECT_NEAR(times.quantile_seconds(0), 1e-6, 1e-6 * 0.0625);
  EXPECT_NEAR(times.quantile_seconds(1), 1e-3, 1e-3 * 0.0625);
}

TEST(BatchTimes, EveryDurationHasABucket) {
  for (int64_t ns = 8; ns < int64_t{1} << 45; ns += ns / 3 + 1) {
    BatchTimes times;
    times.add(nanoseconds(ns));
    EXPECT_NEAR(times.quantile_seconds(0.5) * 1e9, static_cast<double>(ns), static_cast<double>(ns) * 0.0625 + 0.5) << ns;
  }
  BatchTimes times;
  times.add(nanoseconds(-5));
  times.add(nanoseconds(0));
  times.add(nanoseconds(std::numeric_limits<int64_t>::max()));
  EXPECT_EQ(times.count(), 3);
}

TEST(JobStatus, ProbesAreAskedWhileTheyLiveAndLeaveTheirPeak) {
  JobStatus status;
  {
    const JobStatus::Probe ring = status.add_probe([](Gauges& g) { g.ring_slots_used += 3, g.ring_slots_total += 8; });
    JobStatus::Probe memory = status.add_probe([](Gauges& g) { g.memory_used += 100, g.memory_peak += 900; });
    const JobStatus::Probe moved = std::move(memory);
    const Gauges g = status.snapshot().gauges;
    EXPECT_EQ(g.ring_slots_used, 3);
    EXPECT_EQ(g.memory_used, 100);
  }
  const Gauges after = status.snapshot().gauges;
  EXPECT_EQ(after.ring_slots_used, 0);
  EXPECT_EQ(after.ring_slots_total, 8);
  EXPECT_EQ(after.memory_used, 0);
  EXPECT_EQ(after.memory_peak, 900);
}

TEST(JobStatus, WritersAndReadersMayComeAtOnce) {
  JobStatus status;
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    int64_t before = 0;
    while (!stop) {
      const Snapshot s = status.snapshot();
      EXPECT_GE(s.rows_in, before);
      before = s.rows_in;
    }
  });
  status.lay_out(three_steps());
  status.set_phase(JobPhase::kRunning);
  std::vector<std::thread> workers;
  for (size_t w = 0; w < 3; ++w) {
    workers.emplace_back([&, w] {
      const JobStatus::Probe probe = status.add_probe([](Gauges& g) { ++g.ring_slots_used; });
      for (int i = 0; i < 2000; ++i) {
        status.step(0).add({.rows_out = 7, .batches = 1});
        status.worker(w).add_steals(1);
        status.worker(w).add_busy(nanoseconds(5));
        status.batch_times().add(nanoseconds(100 + i));
        status.add_errors("cast", 1);
        status.progressed();
      }
    });
  }
  for (std::thread& w : workers) w.join();
  stop = true;
  reader.join();
  const Snapshot s = status.snapshot();
  EXPECT_EQ(s.rows_in, 3 * 2000 * 7);
  EXPECT_EQ(s.errors.at("cast"), 6000);
  EXPECT_EQ(s.workers[2].steals, 2000);
  EXPECT_EQ(s.workers[2].busy_ns, 10000);
  EXPECT_EQ(s.batches, 6000);
}

}  // namespace
}  // namespace gristmill::job
