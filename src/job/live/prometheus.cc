// Every sample carries the job's name; steps are told apart by their place, since two may have one name.

#include "job/live/prometheus.h"

#include <string_view>

#include "gristmill/metrics.h"

namespace gristmill::job {
namespace {

double number(int64_t n) { return static_cast<double>(n); }

void add_steps(const Snapshot& s, Metrics& m) {
  for (size_t i = 0; i < s.steps.size(); ++i) {
    const Snapshot::Step& step = s.steps[i];
    const Metrics::Labels labels = {
        {"job", s.name}, {"step", std::to_string(i)}, {"name", step.name}, {"kind", std::string(step_kind_name(step.kind))}};
    m.counter("gristmill_job_step_rows_in_total", "rows that came into a step", number(step.rows_in), labels);
    m.counter("gristmill_job_step_rows_out_total", "rows that left a step", number(step.rows_out), labels);
    m.counter("gristmill_job_step_rows_filtered_total", "rows that a step dropped as it was told to", number(step.filtered), labels);
    m.counter("gristmill_job_step_rows_rejected_total", "rows of a step that became dead letters", number(step.rejected), labels);
    m.counter("gristmill_job_step_rows_skipped_total", "rows of a step left out by the policy", number(step.skipped), labels);
    m.counter("gristmill_job_step_batches_total", "batches that a step worked on", number(step.batches), labels);
    m.counter("gristmill_job_step_seconds_total", "time of workers in a step", number(step.nanoseconds) / 1e9, labels);
  }
}

void add_stream(const Snapshot& s, const Metrics::Labels& job, Metrics& m) {
  const StreamGauges& g = s.gauges.stream;
  if (!g.on) return;
  m.gauge("gristmill_job_lag_messages", "messages that wait at the source", number(g.lag), job);
  m.counter("gristmill_job_late_rows_total", "rows that came behind the watermark of a step", number(g.late_rows), job);
  m.gauge("gristmill_job_state_bytes", "memory of steps that remember", number(g.state_bytes), job);
  if (g.watermark != INT64_MIN && g.moments)
    m.gauge("gristmill_job_watermark_seconds", "how far event time has come, since 1970", number(g.watermark) / 1e6, job);
  if (g.watermark != INT64_MIN && !g.moments) m.gauge("gristmill_job_watermark", "how far event time has come", number(g.watermark), job);
  m.gauge("gristmill_job_checkpoint_epoch", "the last epoch that counts", number(g.epoch), job);
  m.gauge("gristmill_job_checkpoint_age_seconds", "time since the last checkpoint", g.checkpoint_age, job);
  m.gauge("gristmill_job_checkpoint_bytes", "size of the last checkpoint", number(g.checkpoint_bytes), job);
  m.gauge("gristmill_job_stalled", "1 while rows wait and nothing moves", s.stalled().empty() ? 0 : 1, job);
}

void add_machine(const Sample& s, const Metrics::Labels& job, Metrics& m) {
  const auto with = [&](std::initializer_list<std::pair<std::string, std::string>> more) {
    Metrics::Labels labels = job;
    labels.insert(labels.end(), more.begin(), more.end());
    return labels;
  };
  for (size_t i = 0; i < s.now.workers.size(); ++i) {
    const Snapshot::Worker& w = s.now.workers[i];
    const auto labels = with({{"worker", std::to_string(i)}, {"group", std::to_string(w.group)}});
    m.counter("gristmill_job_worker_busy_seconds_total", "time a worker worked", number(w.busy_ns) / 1e9, labels);
    m.counter("gristmill_job_worker_morsels_total", "morsels a worker worked on", number(w.morsels), labels);
    m.counter("gristmill_job_worker_steals_total", "times a worker took work of another", number(w.steals), labels);
  }
  for (const Sample::Core& core : s.cores) {
    m.gauge("gristmill_job_core_use_ratio", "part of a core that the process used lately", core.use,
            with({{"cpu", std::to_string(core.cpu)}}));
  }
  const Gauges& g = s.now.gauges;
  m.gauge("gristmill_job_ring_slots_used", "batches in flight between workers and sink", number(g.ring_slots_used), job);
  m.gauge("gristmill_job_ring_slots", "batches that may be in flight", number(g.ring_slots_total), job);
  m.gauge("gristmill_job_memory_used_bytes", "memory on the job's account", number(g.memory_used), job);
  m.gauge("gristmill_job_memory_peak_bytes", "most memory there was on the job's account", number(g.memory_peak), job);
  if (g.memory_limit > 0) m.gauge("gristmill_job_memory_limit_bytes", "limit of the job's account", number(g.memory_limit), job);
  m.gauge("gristmill_job_resident_bytes", "resident memory of the process", number(s.resident_bytes), job);
}

}  // namespace

std::string prometheus_text(const Sample& s) {
  Metrics m;
  const Snapshot& now = s.now;
  const Metrics::Labels job = {{"job", now.name}};
  const auto phase = [&](JobPhase p) {
    m.gauge("gristmill_job_phase", "1 for the phase the job is in", p == now.phase ? 1 : 0,
            {{"job", now.name}, {"phase", std::string(phase_name(p))}});
  };
  for (const JobPhase p : {JobPhase::kStarting, JobPhase::kRunning, JobPhase::kDraining, JobPhase::kDone, JobPhase::kFailed}) phase(p);
  m.gauge("gristmill_job_seconds", "how long the job has run", now.seconds, job);
  m.gauge("gristmill_job_seconds_since_progress", "how long nothing has moved", now.seconds_since_progress, job);
  if (now.fraction_done() >= 0) m.gauge("gristmill_job_progress_ratio", "part of the input that was read", now.fraction_done(), job);
  if (s.eta_seconds >= 0) m.gauge("gristmill_job_eta_seconds", "estimate of the time that remains", s.eta_seconds, job);
  m.counter("gristmill_job_rows_in_total", "rows read from the sources", number(now.rows_in), job);
  m.counter("gristmill_job_rows_out_total", "rows written by the sinks", number(now.rows_out), job);
  m.counter("gristmill_job_bytes_in_total", "bytes read by the sources", number(now.bytes_in), job);
  m.counter("gristmill_job_bytes_out_total", "bytes written by the sinks", number(now.bytes_out), job);
  m.counter("gristmill_job_rows_filtered_total", "rows dropped as the job says", number(now.filtered), job);
  m.counter("gristmill_job_rows_rejected_total", "rows that became dead letters", number(now.rejected), job);
  m.counter("gristmill_job_rows_skipped_total", "rows left out by the policy", number(now.skipped), job);
  m.counter("gristmill_job_retries_total", "calls that were tried again", number(now.retries), job);
  for (const auto& [kind, n] : now.errors)
    m.counter("gristmill_job_errors_total", "errors by kind", number(n), {{"job", now.name}, {"kind", kind}});
  m.counter("gristmill_job_batches_total", "batches worked on", number(now.batches), job);
  m.gauge("gristmill_job_batch_seconds", "time of a batch", now.batch_p50, {{"job", now.name}, {"quantile", "0.5"}});
  m.gauge("gristmill_job_batch_seconds", "time of a batch", now.batch_p99, {{"job", now.name}, {"quantile", "0.99"}});
  add_stream(now, job, m);
  add_steps(now, m);
  add_machine(s, job, m);
  return m.text();
}

}  // namespace gristmill::job
