// The JSON form and the metrics. Keys are stable: monitoring reads them.

#include "report.h"

#include <sys/resource.h>

#include <algorithm>
#include <ctime>

#include "json_text.h"

namespace ocp {

namespace {

void write_rows(JsonText& json, const RowsIn& rows) {
  json.begin_object().member("files", rows.files).member("rows", rows.rows).member("used", rows.used);
  json.member("dropped_too_large", rows.too_large).member("other_days", rows.outside).end_object();
}

void write_files(JsonText& json, const ClusterReport& c) {
  json.key("files").begin_list();
  for (const ListedFile& f : c.listing.files) {
    json.begin_object().member("path", f.facts.path).member("kind", kind_name(f.kind)).member("daily", f.daily);
    if (!f.member.empty()) json.member("member", f.member);
    json.member("bytes", f.facts.bytes);
    if (f.rows > 0) json.member("rows", f.rows);
    if (!f.facts.etag.empty()) json.member("etag", f.facts.etag);
    if (!f.missing_columns.empty()) json.member("missing_columns", f.missing_columns);
    json.end_object();
  }
  json.end_list();
  if (!c.listing.ignored.empty()) json.member("ignored_files", c.listing.ignored);
}

void write_totals(JsonText& json, const char* name, const std::vector<Total>& totals) {
  json.key(name).begin_list();
  for (const Total& t : totals) {
    json.begin_object().member("name", t.name).member("cpu_usage_hours", t.cpu_usage).member("cpu_request_hours", t.cpu_request);
    if (t.cpu_capacity > 0) json.member("cpu_capacity_hours", t.cpu_capacity);
    json.member("memory_usage_gigabyte_hours", t.memory_usage).member("memory_request_gigabyte_hours", t.memory_request);
    if (t.memory_capacity > 0) json.member("memory_capacity_gigabyte_hours", t.memory_capacity);
    json.end_object();
  }
  json.end_list();
}

void write_cluster(JsonText& json, const ClusterReport& c) {
  json.begin_object().member("source", c.job.month.source_uuid).member("cluster_id", c.job.month.cluster_id);
  json.member("cluster_alias", c.job.month.cluster_alias);
  if (!c.job.schema.empty()) json.member("schema", c.job.schema);
  json.member("start_date", day_text(c.job.month.first_day)).member("end_date", day_text(c.job.month.last_day));
  json.member("report_period_id", c.job.month.report_period_id);
  json.member("done", c.done).member("attempts", c.attempts).member("seconds", c.seconds);
  if (!c.error.empty()) json.member("error", c.error);
  json.key("rows_in").begin_object();
  for (const Kind kind : kKinds) {
    const int k = static_cast<int>(kind);
    json.key(kind_name(kind));
    write_rows(json, c.hourly[k]);
    if (c.daily[k].files == 0) continue;
    json.key(std::string(kind_name(kind)) + "_daily");
    write_rows(json, c.daily[k]);
  }
  json.end_object();
  json.key("rows_out").begin_object().member("pods", c.out.pods).member("storage", c.out.storage);
  json.member("unallocated", c.out.unallocated).member("written", c.out.written).member("deleted", c.out.deleted).end_object();
  json.key("fan_out").begin_object().member("pod_line_items", c.line_items).member("pod_line_items_joined", c.joined_items);
  json.member("volume_line_items", c.volume_items).member("volume_line_items_joined", c.joined_volumes).end_object();
  json.key("warnings").begin_list();
  for (const Warning& w : c.warnings) {
    json.begin_object().member("code", w.code).member("message", w.message).member("count", w.count).member("names", w.names).end_object();
  }
  json.end_list();
  json.key("phases").begin_list();
  for (const Phase& p : c.phases) {
    json.begin_object().member("name", p.name).member("seconds", p.seconds).member("rows", p.rows);
    json.member("rows_per_second", p.seconds > 0 ? static_cast<double>(p.rows) / p.seconds : 0.0);
    json.member("spilled_bytes", p.spilled).member("peak_bytes", p.peak_bytes).end_object();
  }
  json.end_list();
  json.member("outputs", c.outputs).member("partitions_made", c.partitions).member("columns_the_table_has_not", c.unknown_columns);
  write_totals(json, "days", c.days);
  write_totals(json, "namespaces", c.namespaces);
  write_totals(json, "nodes", c.nodes);
  write_files(json, c);
  json.end_object();
}

}  // namespace

bool RunReport::done() const {
  return std::all_of(clusters.begin(), clusters.end(), [](const ClusterReport& c) { return c.done; });
}

std::string report_json(const RunReport& report) {
  JsonText json;
  json.begin_object().member("started", report.started).member("done", report.done()).member("dry_run", report.dry_run);
  json.member("mode", report.mode).member("seconds", report.seconds).member("peak_bytes", report.peak_bytes);
  json.key("clusters").begin_list();
  for (const ClusterReport& c : report.clusters) write_cluster(json, c);
  json.end_list().end_object();
  return json.text() + "\n";
}

gristmill::Metrics report_metrics(const RunReport& report) {
  gristmill::Metrics m;
  m.gauge("gristmill_ocp_last_run_timestamp_seconds", "when the last run ended", static_cast<double>(std::time(nullptr)));
  m.gauge("gristmill_ocp_last_run_success", "1 when every cluster's month was written", report.done() ? 1 : 0);
  m.gauge("gristmill_ocp_last_run_seconds", "how long the last run took", report.seconds);
  m.gauge("gristmill_ocp_peak_memory_bytes", "greatest resident memory of the last run", static_cast<double>(report.peak_bytes));
  for (const ClusterReport& c : report.clusters) {
    const auto labels = [&](std::vector<std::pair<std::string, std::string>> more = {}) {
      more.insert(more.begin(), {{"source", c.job.month.source_uuid}, {"cluster_id", c.job.month.cluster_id}});
      return more;
    };
    m.gauge("gristmill_ocp_cluster_success", "1 when the cluster's month was written", c.done ? 1 : 0, labels());
    m.gauge("gristmill_ocp_cluster_seconds", "how long the cluster's month took", c.seconds, labels());
    for (const Kind kind : kKinds) {
      const int k = static_cast<int>(kind);
      const auto of = labels({{"kind", kind_name(kind)}});
      m.gauge("gristmill_ocp_rows_in", "rows of the input", static_cast<double>(c.hourly[k].rows + c.daily[k].rows), of);
      m.gauge("gristmill_ocp_rows_dropped", "CSV rows dropped for a metric beyond 1e18", static_cast<double>(c.hourly[k].too_large), of);
      m.gauge("gristmill_ocp_files", "input files", static_cast<double>(c.hourly[k].files + c.daily[k].files), of);
    }
    m.gauge("gristmill_ocp_rows_written", "rows of the summary", static_cast<double>(c.out.written), labels());
    m.gauge("gristmill_ocp_rows_deleted", "rows that were replaced", static_cast<double>(c.out.deleted), labels());
    for (const Warning& w : c.warnings)
      m.gauge("gristmill_ocp_warnings", "what the run warned of, by code", static_cast<double>(w.count), labels({{"code", w.code}}));
    for (const Phase& p : c.phases) m.gauge("gristmill_ocp_phase_seconds", "seconds of a phase", p.seconds, labels({{"phase", p.name}}));
  }
  return m;
}

int64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace ocp
