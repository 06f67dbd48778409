// A job in the middle of its run, for the tests of what shows it.
#pragma once

#include "job/live/sampler.h"

namespace gristmill::job {

inline Sample running_sample() {
  Sample s;
  Snapshot& n = s.now;
  n.name = "orders";
  n.phase = JobPhase::kRunning;
  n.seconds = 12.4;
  n.seconds_since_progress = 0.01;
  n.unix_micros = 1'800'000'000'500'000;
  n.rows_in = 14'900'000;
  n.rows_out = 14'800'000;
  n.bytes_in = 1'190'000'000;
  n.bytes_out = 310'000'000;
  n.filtered = 99'988;
  n.rejected = 12;
  n.retries = 3;
  n.total_bytes = 1'960'000'000;
  n.batches = 1830;
  n.batch_p50 = 0.000812;
  n.batch_p99 = 0.0021;
  n.gauges = {
      .ring_slots_used = 5, .ring_slots_total = 8, .memory_used = 120'000'000, .memory_peak = 140'000'000, .memory_limit = 1'200'000'000};
  n.errors = {{"cast", 12}};
  const auto step = [&](const char* name, StepKind kind, StepCounts counts, Sample::Step rates) {
    Snapshot::Step made;
    static_cast<StepCounts&>(made) = counts;
    made.name = name;
    made.kind = kind;
    n.steps.push_back(made);
    s.steps.push_back(rates);
  };
  step("csv", StepKind::kSource, {.rows_out = 14'900'000, .bytes = 1'190'000'000, .nanoseconds = 9'300'000'000, .batches = 1830},
       {1.23e6, 0.75});
  step("cast", StepKind::kTransform,
       {.rows_in = 14'900'000, .rows_out = 14'899'988, .rejected = 12, .nanoseconds = 3'100'000'000, .batches = 1830}, {1.23e6, 0.25});
  step("filter", StepKind::kTransform,
       {.rows_in = 14'899'988, .rows_out = 14'800'000, .filtered = 99'988, .nanoseconds = 420'000'000, .batches = 1830}, {1.23e6, 0.03});
  step("parquet", StepKind::kSink,
       {.rows_in = 14'800'000, .rows_out = 14'800'000, .bytes = 310'000'000, .nanoseconds = 10'100'000'000, .batches = 1830},
       {1.22e6, 0.8});
  n.workers = {{.group = 0, .busy_ns = 11'900'000'000, .morsels = 920, .steals = 12},
               {.group = 0, .busy_ns = 11'200'000'000, .morsels = 910}};
  s.rows_in_rate = 1.23e6;
  s.rows_out_rate = 1.22e6;
  s.bytes_in_rate = 98.1e6;
  s.bytes_out_rate = 25.6e6;
  s.worker_loads = {0.95, 0.9};
  s.groups = {{.workers = 2, .load = 0.925, .steals = 12}};
  s.cores = {{0, 0.93}, {1, 0.88}};
  s.resident_bytes = 183'000'000;
  s.eta_seconds = 7.6;
  return s;
}

}  // namespace gristmill::job
