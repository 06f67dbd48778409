// Names are those of the counters; a reader may rely on them.

#include "job/live/live_json.h"

#include <charconv>
#include <cmath>

#include "expr/json.h"

namespace gristmill::job {
namespace {

void add_steps(const Snapshot& s, JsonText& out) {
  out.key("steps").begin_list();
  for (const Snapshot::Step& step : s.steps) {
    out.begin_object().member("name", step.name).member("kind", step_kind_name(step.kind));
    out.member("rows_in", step.rows_in).member("rows_out", step.rows_out).member("filtered", step.filtered);
    out.member("rejected", step.rejected).member("skipped", step.skipped).member("merged", step.merged);
    out.member("generated", step.generated).member("bytes", step.bytes).member("batches", step.batches);
    out.member("seconds", static_cast<double>(step.nanoseconds) / 1e9).end_object();
  }
  out.end_list();
}

void add_workers(const Snapshot& s, JsonText& out) {
  out.key("workers").begin_list();
  for (const Snapshot::Worker& w : s.workers) {
    out.begin_object().member("group", w.group).member("busy_seconds", static_cast<double>(w.busy_ns) / 1e9);
    out.member("morsels", w.morsels).member("steals", w.steals).end_object();
  }
  out.end_list();
}

void member_if_known(JsonText& out, std::string_view name, double value) { out.member(name, value < 0 ? std::nan("") : value); }

void add_stream(const Snapshot& s, JsonText& out) {
  const StreamGauges& g = s.gauges.stream;
  if (!g.on) return;
  out.key("stream").begin_object().member("lag", g.lag).member("late_rows", g.late_rows).member("state_bytes", g.state_bytes);
  const bool known = g.watermark != INT64_MIN;
  const char* name = g.moments ? "watermark_unix_seconds" : "watermark";
  out.member(name, !known ? std::nan("") : g.moments ? static_cast<double>(g.watermark) / 1e6 : static_cast<double>(g.watermark));
  out.key("checkpoint").begin_object().member("epoch", g.epoch).member("bytes", g.checkpoint_bytes);
  out.member("age_seconds", g.checkpoint_age).member("durable", g.checkpoints ? 1 : 0).end_object();
  out.member("stalled", s.stalled()).end_object();
}

void add_snapshot(const Snapshot& s, JsonText& out) {
  out.member("name", s.name).member("phase", phase_name(s.phase)).member("message", s.message);
  out.member("seconds", s.seconds).member("seconds_since_progress", s.seconds_since_progress);
  out.member("unix_seconds", static_cast<double>(s.unix_micros) / 1e6);
  out.member("rows_in", s.rows_in).member("rows_out", s.rows_out).member("bytes_in", s.bytes_in).member("bytes_out", s.bytes_out);
  out.member("filtered", s.filtered).member("rejected", s.rejected).member("skipped", s.skipped).member("retries", s.retries);
  member_if_known(out, "fraction_done", s.fraction_done());
  out.key("batches").begin_object().member("count", s.batches);
  out.member("p50_seconds", s.batch_p50).member("p99_seconds", s.batch_p99).end_object();
  out.key("ring").begin_object().member("used", s.gauges.ring_slots_used).member("slots", s.gauges.ring_slots_total).end_object();
  out.key("memory").begin_object().member("used", s.gauges.memory_used).member("peak", s.gauges.memory_peak);
  if (s.gauges.memory_limit > 0) {
    out.member("limit", s.gauges.memory_limit);
  } else {
    member_if_known(out, "limit", -1);
  }
  out.end_object();
  out.key("errors").begin_object();
  for (const auto& [kind, n] : s.errors) out.member(kind, n);
  out.end_object();
  add_stream(s, out);
  add_steps(s, out);
  add_workers(s, out);
}

}  // namespace

void JsonText::place() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (empty_.empty()) return;
  if (!empty_.back()) text_ += ',';
  empty_.back() = false;
}

JsonText& JsonText::begin(char bracket) {
  place();
  text_ += bracket;
  empty_.push_back(true);
  return *this;
}

JsonText& JsonText::end(char bracket) {
  text_ += bracket;
  empty_.pop_back();
  return *this;
}

JsonText& JsonText::key(std::string_view name) {
  place();
  text_ += expr::json_string(name) + ":";
  after_key_ = true;
  return *this;
}

JsonText& JsonText::value(std::string_view text) {
  place();
  text_ += expr::json_string(text);
  return *this;
}

JsonText& JsonText::value(int64_t number) {
  place();
  text_ += std::to_string(number);
  return *this;
}

JsonText& JsonText::value(double number) {
  place();
  char text[32];
  const auto [end, failed] = std::to_chars(text, text + sizeof text, number);
  text_ += std::isfinite(number) && failed == std::errc() ? std::string_view(text, static_cast<size_t>(end - text)) : "null";
  return *this;
}

std::string status_json(const Snapshot& snapshot) {
  JsonText out;
  out.begin_object();
  add_snapshot(snapshot, out);
  return out.end_object().text();
}

std::string status_json(const Sample& s) {
  JsonText out;
  out.begin_object();
  add_snapshot(s.now, out);
  out.key("rates").begin_object().member("rows_in", s.rows_in_rate).member("rows_out", s.rows_out_rate);
  out.member("bytes_in", s.bytes_in_rate).member("bytes_out", s.bytes_out_rate);
  out.key("steps").begin_list();
  for (const Sample::Step& step : s.steps) out.begin_object().member("rows", step.rows_rate).member("workers", step.workers).end_object();
  out.end_list().key("workers").begin_list();
  for (const double load : s.worker_loads) out.value(load);
  out.end_list().end_object();
  out.key("groups").begin_list();
  for (const Sample::Group& g : s.groups)
    out.begin_object().member("workers", g.workers).member("load", g.load).member("steals", g.steals).end_object();
  out.end_list().key("cores").begin_list();
  for (const Sample::Core& core : s.cores) out.begin_object().member("cpu", core.cpu).member("use", core.use).end_object();
  out.end_list().member("resident_bytes", s.resident_bytes);
  member_if_known(out, "eta_seconds", s.eta_seconds);
  return out.end_object().text();
}

}  // namespace gristmill::job
