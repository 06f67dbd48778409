// The first point is a job that has done nothing, so the first rates are those since the beginning.

#include "job/live/sampler.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

namespace gristmill::job {
namespace {

constexpr double kWindow = 3;
constexpr double kEtaWindow = 30;
constexpr double kLeastApart = 0.1;  // however often somebody asks
constexpr double kEtaLeast = 1;      // seconds of history before an estimate is shown

double rate(int64_t from, int64_t to, double seconds) {
  return seconds > 0 ? static_cast<double>(std::max<int64_t>(to - from, 0)) / seconds : 0;
}

int64_t rows_of(const Snapshot::Step& step) { return step.kind == StepKind::kSource ? step.rows_out : step.rows_in; }

}  // namespace

bool Sample::stalled_for(double seconds) const {
  return (now.phase == JobPhase::kRunning || now.phase == JobPhase::kDraining) && now.seconds_since_progress >= seconds;
}

Sampler::Sampler(const JobStatus& status, const base::Clock& clock, ReadUse read) : status_(status), clock_(clock), read_(std::move(read)) {
  if (!read_) read_ = [reader = std::make_shared<ProcessUseReader>()] { return reader->read(); };
}

Sample Sampler::take() {
  Point now;
  now.seconds = std::chrono::duration<double>(clock_.now().time_since_epoch()).count();
  now.snapshot = status_.snapshot();
  now.use = read_();
  Sample out;
  out.now = now.snapshot;
  out.resident_bytes = now.use.resident_bytes;
  while (recent_.size() > 1 && now.seconds - recent_[1].seconds >= kWindow) recent_.pop_front();
  Point start;  // a run that has done nothing yet
  start.seconds = now.seconds - now.snapshot.seconds;
  for (const auto& [cpu, seconds] : now.use.core_seconds) start.use.core_seconds[cpu] = 0;
  const bool whole_run = out.over() || recent_.empty();
  add_rates(whole_run ? start : recent_.front(), now, &out);
  out.eta_seconds = eta(now);
  if (recent_.empty() || now.seconds - recent_.back().seconds >= kLeastApart) recent_.push_back(std::move(now));
  return out;
}

void Sampler::add_rates(const Point& from, const Point& to, Sample* out) const {
  const Snapshot &a = from.snapshot, &b = to.snapshot;
  const double seconds = to.seconds - from.seconds;
  out->rows_in_rate = rate(a.rows_in, b.rows_in, seconds);
  out->rows_out_rate = rate(a.rows_out, b.rows_out, seconds);
  out->bytes_in_rate = rate(a.bytes_in, b.bytes_in, seconds);
  out->bytes_out_rate = rate(a.bytes_out, b.bytes_out, seconds);
  out->steps.resize(b.steps.size());
  for (size_t i = 0; i < b.steps.size(); ++i) {
    const Snapshot::Step before = i < a.steps.size() ? a.steps[i] : Snapshot::Step{};
    const int64_t rows_before = i < a.steps.size() ? rows_of(before) : 0;
    out->steps[i] = {.rows_rate = rate(rows_before, rows_of(b.steps[i]), seconds),
                     .workers = rate(before.nanoseconds, b.steps[i].nanoseconds, seconds) / 1e9};
  }
  out->groups.resize(static_cast<size_t>(b.groups()));
  for (size_t i = 0; i < b.workers.size(); ++i) {
    const int64_t before = i < a.workers.size() ? a.workers[i].busy_ns : 0;
    const double load = std::min(rate(before, b.workers[i].busy_ns, seconds) / 1e9, 1.0);
    out->worker_loads.push_back(load);
    Sample::Group& group = out->groups[static_cast<size_t>(b.workers[i].group)];
    ++group.workers;
    group.load += load;
    group.steals += b.workers[i].steals;
  }
  for (Sample::Group& group : out->groups) group.load /= std::max(group.workers, 1);
  for (const auto& [cpu, used] : to.use.core_seconds) {
    const auto before = from.use.core_seconds.find(cpu);
    const double more = used - (before == from.use.core_seconds.end() ? 0 : before->second);
    out->cores.push_back({.cpu = cpu, .use = seconds > 0 ? std::clamp(more / seconds, 0.0, 1.0) : 0});
  }
}

double Sampler::eta(const Point& now) {
  const double fraction = now.snapshot.fraction_done();
  if (now.snapshot.phase != JobPhase::kRunning && now.snapshot.phase != JobPhase::kDraining) return -1;
  if (fraction < 0) return -1;
  if (marks_.empty()) marks_.push_back({.seconds = now.seconds - now.snapshot.seconds, .fraction = 0});
  while (marks_.size() > 1 && now.seconds - marks_[1].seconds >= kEtaWindow) marks_.pop_front();
  const Mark first = marks_.front();
  if (now.seconds - marks_.back().seconds >= kLeastApart) marks_.push_back({.seconds = now.seconds, .fraction = fraction});
  const double seconds = now.seconds - first.seconds, more = fraction - first.fraction;
  if (seconds < kEtaLeast || more <= 0) return fraction >= 1 ? 0 : -1;
  return (1 - fraction) * seconds / more;
}

}  // namespace gristmill::job
