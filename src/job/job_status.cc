// Counters are relaxed: each is right by itself, and after the workers were joined all of them are.
//
// The layout is published once with a release store; before that a snapshot has no steps and no workers.

#include "job/job_status.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace gristmill::job {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

void add_if(std::atomic<int64_t>& to, int64_t n) {
  if (n != 0) to.fetch_add(n, kRelaxed);
}

// Eight buckets a power of two: the three bits below the leading one choose among them.
int bucket_of(int64_t ns) {
  const auto v = static_cast<uint64_t>(std::max<int64_t>(ns, 8));
  const int power = 63 - std::countl_zero(v);
  return std::min((power - 3) * 8 + static_cast<int>((v >> (power - 3)) & 7), BatchTimes::kBuckets - 1);
}

double bucket_middle_ns(int bucket) {
  const double width = std::ldexp(1.0, bucket / 8);
  return (8 + bucket % 8 + 0.5) * width;
}

}  // namespace

std::string_view phase_name(JobPhase phase) {
  switch (phase) {
    case JobPhase::kStarting: return "starting";
    case JobPhase::kRunning: return "running";
    case JobPhase::kDraining: return "draining";
    case JobPhase::kDone: return "done";
    case JobPhase::kFailed: return "failed";
  }
  return "";
}

std::string_view step_kind_name(StepKind kind) {
  switch (kind) {
    case StepKind::kSource: return "source";
    case StepKind::kTransform: return "transform";
    case StepKind::kSink: return "sink";
  }
  return "";
}

void StepStatus::add(const StepCounts& more) {
  add_if(rows_in_, more.rows_in);
  add_if(rows_out_, more.rows_out);
  add_if(filtered_, more.filtered);
  add_if(rejected_, more.rejected);
  add_if(skipped_, more.skipped);
  add_if(merged_, more.merged);
  add_if(generated_, more.generated);
  add_if(bytes_, more.bytes);
  add_if(nanoseconds_, more.nanoseconds);
  add_if(batches_, more.batches);
}

StepCounts StepStatus::counts() const {
  return {.rows_in = rows_in_.load(kRelaxed),
          .rows_out = rows_out_.load(kRelaxed),
          .filtered = filtered_.load(kRelaxed),
          .rejected = rejected_.load(kRelaxed),
          .skipped = skipped_.load(kRelaxed),
          .merged = merged_.load(kRelaxed),
          .generated = generated_.load(kRelaxed),
          .bytes = bytes_.load(kRelaxed),
          .nanoseconds = nanoseconds_.load(kRelaxed),
          .batches = batches_.load(kRelaxed)};
}

void BatchTimes::add(std::chrono::nanoseconds time) { counts_[static_cast<size_t>(bucket_of(time.count()))].fetch_add(1, kRelaxed); }

int64_t BatchTimes::count() const {
  int64_t n = 0;
  for (const auto& c : counts_) n += c.load(kRelaxed);
  return n;
}

double BatchTimes::quantile_seconds(double q) const {
  const int64_t n = count();
  if (n == 0) return 0;
  const auto rank = std::clamp<int64_t>(static_cast<int64_t>(std::ceil(q * static_cast<double>(n))), 1, n);
  int64_t below = 0;
  for (int i = 0; i < kBuckets; ++i) {
    below += counts_[static_cast<size_t>(i)].load(kRelaxed);
    if (below >= rank) return bucket_middle_ns(i) / 1e9;
  }
  return bucket_middle_ns(kBuckets - 1) / 1e9;
}

int Snapshot::groups() const {
  int n = 0;
  for (const Worker& w : workers) n = std::max(n, w.group + 1);
  return n;
}

double Snapshot::fraction_done() const {
  const auto part = [](int64_t done, int64_t total) {
    return total == 0 ? 1.0 : std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
  };
  if (phase == JobPhase::kDone) return 1;
  if (total_rows >= 0) return part(rows_in, total_rows);
  if (total_bytes > 0 && (bytes_in > 0 || total_parts < 0))
    return part(bytes_in, total_bytes);  // pipes have no size, and not every source counts its bytes
  if (total_parts >= 0) return part(parts_done, total_parts);
  return -1;
}

std::string Snapshot::stalled() const {
  const StreamGauges& s = gauges.stream;
  if (!s.on || (phase != JobPhase::kRunning && phase != JobPhase::kDraining)) return {};
  const auto whole = [](double v) { return std::to_string(static_cast<int64_t>(v)); };
  if (!s.started && seconds_since_progress > stalled_after)
    return "the source or a sink could not be opened for " + whole(seconds_since_progress) + " s";
  if (s.lag > 0 && seconds_since_progress > stalled_after) {
    return std::to_string(s.lag) + " messages wait, and nothing has moved for " + whole(seconds_since_progress) + " s";
  }
  if (s.pending && s.checkpoint_age > s.interval + stalled_after)
    return "the last checkpoint is " + whole(s.checkpoint_age) + " s old, and rows have come since";
  return {};
}

JobStatus::LaidOut::LaidOut(JobShape s) : shape(std::move(s)), steps(shape.steps.size()), workers(shape.group_of_worker.size()) {}

// The steps and workers with their totals.
void JobStatus::LaidOut::fill(Snapshot* s) const {
  s->name = shape.name;
  s->steps.resize(steps.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    Snapshot::Step& step = s->steps[i];
    static_cast<StepCounts&>(step) = steps[i].counts();
    step.name = shape.steps[i].name;
    step.kind = shape.steps[i].kind;
    s->filtered += step.filtered;
    s->rejected += step.rejected;
    s->skipped += step.skipped;
    if (step.kind == StepKind::kSource) {
      s->rows_in += step.rows_out;
      s->bytes_in += step.bytes;
    } else if (step.kind == StepKind::kSink) {
      s->rows_out += step.rows_out;
      s->bytes_out += step.bytes;
    }
  }
  s->workers.resize(workers.size());
  for (size_t i = 0; i < workers.size(); ++i) {
    const WorkerStatus& w = workers[i];
    s->workers[i] = {.group = shape.group_of_worker[i], .busy_ns = w.busy_ns(), .morsels = w.morsels(), .steals = w.steals()};
  }
}

JobStatus::JobStatus(const base::Clock& clock) : clock_(clock) {}
JobStatus::~JobStatus() = default;

int64_t JobStatus::now_ns() const { return std::chrono::duration_cast<std::chrono::nanoseconds>(clock_.now().time_since_epoch()).count(); }

void JobStatus::lay_out(JobShape shape) {
  std::lock_guard lock(mutex_);
  if (owned_) return;
  owned_ = std::make_unique<LaidOut>(std::move(shape));
  laid_out_.store(owned_.get(), std::memory_order_release);
}

void JobStatus::set_phase(JobPhase phase, std::string message) {
  std::lock_guard lock(mutex_);
  const JobPhase present = phase_.load(kRelaxed);
  if (phase <= present || present == JobPhase::kDone) return;
  const int64_t now = now_ns();
  if (began_ns_.load(kRelaxed) < 0) began_ns_.store(now, kRelaxed);
  if (progress_ns_.load(kRelaxed) < 0) progress_ns_.store(now, kRelaxed);
  if (phase == JobPhase::kDone || phase == JobPhase::kFailed) ended_ns_.store(now, kRelaxed);
  message_ = std::move(message);
  phase_.store(phase, std::memory_order_release);
}

void JobStatus::progressed() { progress_ns_.store(now_ns(), kRelaxed); }

void JobStatus::add_errors(const std::string& kind, int64_t n) {
  std::lock_guard lock(mutex_);
  errors_[kind] += n;
}

JobStatus::Probe::Probe(Probe&& o) noexcept : status_(std::exchange(o.status_, nullptr)), at_(o.at_) {}

JobStatus::Probe& JobStatus::Probe::operator=(Probe&& o) noexcept {
  if (this == &o) return *this;
  remove();
  status_ = std::exchange(o.status_, nullptr);
  at_ = o.at_;
  return *this;
}

void JobStatus::Probe::remove() {
  JobStatus* status = std::exchange(status_, nullptr);
  if (!status) return;
  std::lock_guard lock(status->probes_mutex_);
  Gauges last;
  (*at_)(last);
  Gauges& kept = status->last_gauges_;
  kept.memory_peak = std::max(kept.memory_peak, last.memory_peak);
  kept.ring_slots_total = std::max(kept.ring_slots_total, last.ring_slots_total);
  kept.memory_limit = std::max(kept.memory_limit, last.memory_limit);
  if (last.stream.on) kept.stream = last.stream;
  status->probes_.erase(at_);
}

JobStatus::Probe JobStatus::add_probe(std::function<void(Gauges&)> read) {
  std::lock_guard lock(probes_mutex_);
  Probe probe;
  probe.status_ = this;
  probe.at_ = probes_.insert(probes_.end(), std::move(read));
  return probe;
}

Snapshot JobStatus::snapshot() const {
  Snapshot s;
  const auto seconds = [](int64_t ns) { return static_cast<double>(std::max<int64_t>(ns, 0)) / 1e9; };
  {
    std::lock_guard lock(mutex_);
    s.phase = phase_.load(kRelaxed);
    s.message = message_;
    s.errors = errors_;
    const int64_t began = began_ns_.load(kRelaxed), ended = ended_ns_.load(kRelaxed);
    const int64_t now = ended >= 0 ? ended : now_ns();
    s.seconds = began < 0 ? 0 : seconds(now - began);
    s.seconds_since_progress = began < 0 ? 0 : seconds(now - progress_ns_.load(kRelaxed));
  }
  s.unix_micros = clock_.unix_micros();
  s.total_rows = total_rows_.load(kRelaxed);
  s.total_bytes = total_bytes_.load(kRelaxed);
  s.total_parts = total_parts_.load(kRelaxed);
  s.parts_done = parts_done_.load(kRelaxed);
  s.retries = retries_.load(kRelaxed);
  s.stalled_after = stalled_after_.load(kRelaxed);
  s.batches = batch_times_.count();
  s.batch_p50 = batch_times_.quantile_seconds(0.5);
  s.batch_p99 = batch_times_.quantile_seconds(0.99);
  {
    std::lock_guard lock(probes_mutex_);
    if (probes_.empty()) {
      s.gauges = last_gauges_;
    } else {
      for (const auto& probe : probes_) probe(s.gauges);
      s.gauges.memory_peak = std::max(s.gauges.memory_peak, last_gauges_.memory_peak);
    }
  }
  if (const LaidOut* out = laid_out_.load(std::memory_order_acquire)) out->fill(&s);
  return s;
}

}  // namespace gristmill::job
