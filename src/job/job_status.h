// The live numbers of one running job: written by whoever moves rows, read at any time by the live view, the metrics page and the report.
//
//   JobStatus status;                                    // kStarting
//   status.lay_out({.name = "orders", .steps = {{"csv", StepKind::kSource}, {"filter", StepKind::kTransform}, ...}, ...});
//   status.set_phase(JobPhase::kRunning);
//   status.step(1).add({.rows_in = 8192, .rows_out = 8000, .filtered = 192, .nanoseconds = 81000, .batches = 1});
//   status.snapshot().rows_in
//
// Writers use relaxed atomics once a batch, never once a row; a snapshot is no fence: two of its numbers may be a batch apart while the job
// runs and are exact once the workers have ended. The accounting that must balance is kept elsewhere; these numbers are only shown.
//
// Thread safe. lay_out() comes once, before the first step(), worker() and group use. A JobStatus outlives its probes and its readers.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace gristmill::job {

enum class JobPhase : uint8_t { kStarting, kRunning, kDraining, kDone, kFailed };
std::string_view phase_name(JobPhase phase);  // "starting", ...

enum class StepKind : uint8_t { kSource, kTransform, kSink };
std::string_view step_kind_name(StepKind kind);  // "source", ...

// What a run consists of; fixed once it is known.
struct JobShape {
  struct Step {
    std::string name;  // as the user wrote it: "csv", "compute", "parquet"; need not be unique
    StepKind kind = StepKind::kTransform;
  };
  std::string name;
  std::vector<Step> steps;           // sources first, then transforms in their order, then sinks
  std::vector<int> group_of_worker;  // an entry a worker
};

// What one batch (or one call) adds to a step. For a source rows_out counts, for a sink rows_in and rows_out (written).
struct StepCounts {
  int64_t rows_in = 0;
  int64_t rows_out = 0;
  int64_t filtered = 0;
  int64_t rejected = 0;  // dead letters
  int64_t skipped = 0;
  int64_t merged = 0;     // went into another row: groups, joins' builds
  int64_t generated = 0;  // came from no single row of the input
  int64_t bytes = 0;      // read by a source, written by a sink
  int64_t nanoseconds = 0;
  int64_t batches = 0;
};

// One step's counters, on cache lines of their own.
class alignas(64) StepStatus {
 public:
  void add(const StepCounts& more);
  StepCounts counts() const;

 private:
  std::atomic<int64_t> rows_in_{0}, rows_out_{0}, filtered_{0}, rejected_{0}, skipped_{0}, merged_{0}, generated_{0}, bytes_{0},
      nanoseconds_{0}, batches_{0};
};

// One worker's counters.
class alignas(64) WorkerStatus {
 public:
  void add_busy(std::chrono::nanoseconds time) { busy_ns_.fetch_add(time.count(), std::memory_order_relaxed); }
  void set_busy(std::chrono::nanoseconds time) { busy_ns_.store(time.count(), std::memory_order_relaxed); }
  void add_morsels(int64_t n) { morsels_.fetch_add(n, std::memory_order_relaxed); }
  void add_steals(int64_t n) { steals_.fetch_add(n, std::memory_order_relaxed); }
  int64_t busy_ns() const { return busy_ns_.load(std::memory_order_relaxed); }
  int64_t morsels() const { return morsels_.load(std::memory_order_relaxed); }
  int64_t steals() const { return steals_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> busy_ns_{0}, morsels_{0}, steals_{0};
};

// How long batches took, in buckets an eighth of a power of two wide: a quantile is at most 6.25 % off its true value.
class BatchTimes {
 public:
  static constexpr int kBuckets = 8 * 50;
  void add(std::chrono::nanoseconds time);
  int64_t count() const;
  double quantile_seconds(double q) const;  // the middle of the bucket that holds it; 0 when nothing was added

 private:
  std::array<std::atomic<int64_t>, kBuckets> counts_{};
};

// Of a job over a source that may not end.
struct StreamGauges {
  bool on = false;                // it is such a job
  bool started = false;           // its source and sinks are open
  int64_t lag = 0;                // messages that wait at the source
  int64_t late_rows = 0;          // that came behind the watermark of a step
  int64_t state_bytes = 0;        // of steps that remember
  int64_t watermark = INT64_MIN;  // microseconds since 1970, or, unless `moments`, the numbers themselves; INT64_MIN: none yet
  bool moments = true;
  bool checkpoints = false;  // they are kept; else sinks commit by epochs only
  bool pending = false;      // rows came since the last epoch
  int64_t epoch = 0;
  int64_t checkpoint_bytes = 0;
  double checkpoint_age = 0;  // seconds
  double interval = 0;        // of epochs, seconds
};

// What is read where it lives, when somebody looks; see JobStatus::add_probe.
struct Gauges {
  int64_t ring_slots_used = 0;
  int64_t ring_slots_total = 0;
  int64_t memory_used = 0;
  int64_t memory_peak = 0;
  int64_t memory_limit = 0;  // 0: none of its own
  StreamGauges stream = {};
};

// Everything at one moment, as plain values.
struct Snapshot {
  struct Step : StepCounts {
    std::string name;
    StepKind kind = StepKind::kTransform;
  };
  struct Worker {
    int group = 0;
    int64_t busy_ns = 0;
    int64_t morsels = 0;
    int64_t steals = 0;
  };
  std::string name;
  JobPhase phase = JobPhase::kStarting;
  std::string message;  // of the failure, or why it drains
  double seconds = 0;   // since the job began to run; stands still once it is over
  double seconds_since_progress = 0;
  int64_t unix_micros = 0;            // of the snapshot
  int64_t rows_in = 0, rows_out = 0;  // left the sources; written by the sinks
  int64_t bytes_in = 0, bytes_out = 0;
  int64_t filtered = 0, rejected = 0, skipped = 0;
  int64_t total_rows = -1, total_bytes = -1, total_parts = -1;  // of the sources; -1: not known
  int64_t parts_done = 0;
  int64_t retries = 0;
  int64_t batches = 0;
  double batch_p50 = 0, batch_p99 = 0;  // seconds
  Gauges gauges;
  std::vector<Step> steps;
  std::vector<Worker> workers;
  std::map<std::string, int64_t> errors;  // by kind

  int groups() const;
  // Why the job counts as stalled; empty: it does not. Only jobs over sources that may not end stall: rows wait and nothing moves, or
  // epochs do not become complete. One that has nothing to do is well.
  std::string stalled() const;
  double stalled_after = 0;  // seconds
  // 0..1, or -1 when nobody knows how much there is: of the rows, else the bytes if the source counts them, else the parts.
  double fraction_done() const;
};

class JobStatus {
 public:
  explicit JobStatus(const base::Clock& clock = base::Clock::system());
  ~JobStatus();
  JobStatus(const JobStatus&) = delete;
  JobStatus& operator=(const JobStatus&) = delete;

  void lay_out(JobShape shape);
  StepStatus& step(size_t i) { return laid_out_.load(std::memory_order_acquire)->steps[i]; }
  WorkerStatus& worker(size_t i) { return laid_out_.load(std::memory_order_acquire)->workers[i]; }
  BatchTimes& batch_times() { return batch_times_; }

  // The time starts with kRunning and stands still with kDone and kFailed. A later phase than the present one, or nothing happens.
  void set_phase(JobPhase phase, std::string message = {});
  JobPhase phase() const { return phase_.load(std::memory_order_acquire); }

  // Rows moved: a batch read, transformed or written, a reply of a remote. StepStatus::add does not say it, so that it stays free of the
  // clock.
  void progressed();

  void set_total_rows(int64_t n) { total_rows_.store(n, std::memory_order_relaxed); }
  void set_total_bytes(int64_t n) { total_bytes_.store(n, std::memory_order_relaxed); }
  void set_total_parts(int64_t n) { total_parts_.store(n, std::memory_order_relaxed); }
  void add_parts_done(int64_t n) { parts_done_.fetch_add(n, std::memory_order_relaxed); }
  // How long rows may wait with nothing moving.
  void set_stalled_after(double seconds) { stalled_after_.store(seconds, std::memory_order_relaxed); }
  void add_retries(int64_t n) { retries_.fetch_add(n, std::memory_order_relaxed); }
  void add_errors(const std::string& kind, int64_t n);  // takes a lock: once a batch and kind

  // Called at each snapshot, from the reader's thread, to add what it knows to the gauges (adds, so that several rings sum up).
  // It runs under a lock that the handle's destructor takes: after that it is not called any more. It must not call this object.
  class Probe {
   public:
    Probe() = default;
    Probe(Probe&& o) noexcept;
    Probe& operator=(Probe&& o) noexcept;
    ~Probe() { remove(); }
    void remove();

   private:
    friend class JobStatus;
    JobStatus* status_ = nullptr;
    std::list<std::function<void(Gauges&)>>::iterator at_;
  };
  [[nodiscard]] Probe add_probe(std::function<void(Gauges&)> read);

  Snapshot snapshot() const;

 private:
  struct LaidOut {
    explicit LaidOut(JobShape s);
    void fill(Snapshot* s) const;
    const JobShape shape;
    std::vector<StepStatus> steps;
    std::vector<WorkerStatus> workers;
  };
  int64_t now_ns() const;

  const base::Clock& clock_;
  std::unique_ptr<LaidOut> owned_;
  std::atomic<LaidOut*> laid_out_{nullptr};
  std::atomic<JobPhase> phase_{JobPhase::kStarting};
  std::atomic<int64_t> began_ns_{-1}, ended_ns_{-1}, progress_ns_{-1};
  std::atomic<int64_t> total_rows_{-1}, total_bytes_{-1}, total_parts_{-1}, parts_done_{0}, retries_{0};
  std::atomic<double> stalled_after_{60};
  BatchTimes batch_times_;

  mutable std::mutex mutex_;  // of what follows
  std::string message_;
  std::map<std::string, int64_t> errors_;
  mutable std::mutex probes_mutex_;
  std::list<std::function<void(Gauges&)>> probes_;
  Gauges last_gauges_;  // of probes that are gone: memory's peak stays
};

}  // namespace gristmill::job
