// The report as one page: nothing is fetched, no script runs. A person should see at a glance whether the month is plausible.

#include <algorithm>
#include <cstdio>

#include "chart.h"
#include "report.h"

namespace ocp {

namespace {

constexpr size_t kMostBars = 25, kMostFiles = 500;

constexpr const char* kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>OpenShift cost summary</title>
<style>
:root { color-scheme: light dark; --text: #1d2430; --soft: #647084; --line: #d9dee7; --card: #f6f8fb; --page: #ffffff; --usage: #1f5fbf; --request: #9dc1f2;
  --capacity: #e4e9f1; --bad: #b42318; --warn: #8a5a00; --good: #1a7f4b; }
@media (prefers-color-scheme: dark) { :root { --text: #e6eaf1; --soft: #9aa6b8; --line: #333c4b; --card: #1c222d; --page: #12161d; --usage: #7db2ff;
  --request: #355f9b; --capacity: #2a3240; --bad: #ff8a80; --warn: #f2c063; --good: #6fd39c; } }
body { margin: 0 auto; max-width: 1080px; padding: 24px; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 40px 0 4px; border-top: 1px solid var(--line); padding-top: 24px; }
h3 { font-size: 16px; margin: 28px 0 8px; } p { margin: 4px 0; } .soft { color: var(--soft); } .bad { color: var(--bad); } .good { color: var(--good); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(112px, 1fr)); gap: 10px; margin: 16px 0; }
.figures div { background: var(--card); border-radius: 8px; padding: 10px 12px; }
.figures b { display: block; font-size: 17px; font-variant-numeric: tabular-nums; } .figures span { color: var(--soft); font-size: 13px; }
.warning { border-left: 4px solid var(--warn); background: var(--card); padding: 8px 14px; margin: 8px 0; border-radius: 0 8px 8px 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: 13px; } td, th { text-align: left; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } th { overflow-wrap: normal; } svg text { font-size: 12px; fill: var(--text); }
.usage { fill: var(--usage); } .request { fill: var(--request); } .capacity { fill: var(--capacity); } .limit { fill: var(--text); }
.key span { display: inline-block; width: 12px; height: 12px; border-radius: 2px; margin: 0 6px 0 16px; } .key span:first-child { margin-left: 0; }
.key .mark { width: 2px; background: var(--text); border-radius: 0; } .wide { overflow-x: auto; } .wide svg { min-width: 640px; }
summary { cursor: pointer; margin: 24px 0 8px; font-weight: 600; }
</style></head><body>
)";

std::string grouped(int64_t n) {
  const std::string digits = std::to_string(n < 0 ? -n : n);
  std::string out = n < 0 ? "-" : "";
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string fixed(const char* format, double v) {
  char text[48];
  std::snprintf(text, sizeof text, format, v);
  return text;
}

std::string megabytes(int64_t bytes) { return fixed("%.0f MB", static_cast<double>(bytes) / 1e6); }

std::string figure(const std::string& number, const std::string& what) {
  return "<div><b>" + number + "</b><span>" + html_text(what) + "</span></div>";
}

std::string cell(const std::string& text, bool number = false) {
  return std::string(number ? "<td class=\"n\">" : "<td>") + html_text(text) + "</td>";
}

// The greatest by usage, the others together; days in their order.
std::string charts_of(const std::string& what, std::vector<Total> totals, bool in_order) {
  if (totals.empty()) return "";
  std::string out;
  for (const bool memory : {false, true}) {
    std::vector<Bar> bars;
    for (const Total& t : totals) {
      bars.push_back(memory ? Bar{t.name, t.memory_usage, t.memory_request, t.memory_capacity}
                            : Bar{t.name, t.cpu_usage, t.cpu_request, t.cpu_capacity});
    }
    if (!in_order) {
      std::stable_sort(bars.begin(), bars.end(), [](const Bar& a, const Bar& b) { return a.usage > b.usage; });
      if (bars.size() > kMostBars) {
        Bar rest{std::to_string(bars.size() - kMostBars) + " others"};
        for (size_t i = kMostBars; i < bars.size(); ++i) {
          rest.usage += bars[i].usage;
          rest.request += bars[i].request;
          rest.capacity += bars[i].capacity;
        }
        bars.resize(kMostBars);
        bars.push_back(rest);
      }
    }
    out += "<h3>" + std::string(memory ? "Memory" : "CPU") + " by " + what + ", " + (memory ? "gigabyte-hours" : "core-hours") + "</h3>\n" +
           bar_chart(bars, memory ? "gigabyte-hours" : "core-hours");
  }
  return out;
}

std::string rows_table(const ClusterReport& c) {
  std::string out =
      "<h3>Rows in</h3><table><tr><th>kind</th><th class=\"n\">files</th><th class=\"n\">rows</th><th class=\"n\">used</th>"
      "<th class=\"n\">other days</th><th class=\"n\">dropped (too large)</th></tr>\n";
  for (const Kind kind : kKinds) {
    for (const bool daily : {false, true}) {
      const RowsIn& in = (daily ? c.daily : c.hourly)[static_cast<int>(kind)];
      if (in.files == 0 && daily) continue;
      out += "<tr>" + cell(std::string(kind_name(kind)) + (daily ? " (daily)" : "")) + cell(grouped(in.files), true) +
             cell(grouped(in.rows), true) + cell(grouped(in.used), true) + cell(grouped(in.outside), true) +
             cell(grouped(in.too_large), true) + "</tr>\n";
    }
  }
  return out + "</table>\n";
}

std::string warnings_of(const ClusterReport& c) {
  std::string out;
  for (const Warning& w : c.warnings) {
    out += "<div class=\"warning\"><b>" + html_text(w.code) + "</b>: " + html_text(w.message) + " (" + grouped(w.count) +
           ")<br><span class=\"soft\">";
    for (size_t i = 0; i < w.names.size(); ++i) out += (i > 0 ? ", " : "") + html_text(w.names[i]);
    if (w.count > static_cast<int64_t>(w.names.size()) && !w.names.empty()) out += ", …";
    out += "</span></div>\n";
  }
  return out;
}

std::string details_of(const ClusterReport& c) {
  std::string out =
      "<details><summary>Phases</summary><table><tr><th>phase</th><th class=\"n\">seconds</th><th class=\"n\">rows</th>"
      "<th class=\"n\">rows/s</th><th class=\"n\">spilled</th><th class=\"n\">peak memory so far</th></tr>\n";
  for (const Phase& p : c.phases) {
    out += "<tr>" + cell(p.name) + cell(fixed("%.3f", p.seconds), true) + cell(grouped(p.rows), true) +
           cell(p.seconds > 0 ? grouped(static_cast<int64_t>(static_cast<double>(p.rows) / p.seconds)) : "", true) +
           cell(megabytes(p.spilled), true) + cell(megabytes(p.peak_bytes), true) + "</tr>\n";
  }
  out +=
      "</table></details>\n<details><summary>Files</summary><table><tr><th>file</th><th>kind</th><th class=\"n\">bytes</th><th "
      "class=\"n\">rows</th>"
      "<th>tag</th><th>without</th></tr>\n";
  for (size_t i = 0; i < std::min(c.listing.files.size(), kMostFiles); ++i) {
    const ListedFile& f = c.listing.files[i];
    std::string without;
    for (const std::string& m : f.missing_columns) without += (without.empty() ? "" : ", ") + m;
    out += "<tr>" + cell(f.facts.path + (f.member.empty() ? "" : " " + f.member)) +
           cell(std::string(kind_name(f.kind)) + (f.daily ? " (daily)" : "")) + cell(grouped(f.facts.bytes), true) +
           cell(grouped(f.rows), true) + cell(f.facts.etag) + cell(without) + "</tr>\n";
  }
  if (c.listing.files.size() > kMostFiles)
    out += "<tr>" + cell("and " + grouped(static_cast<int64_t>(c.listing.files.size() - kMostFiles)) + " more, all in the JSON report") +
           "</tr>";
  return out + "</table></details>\n";
}

std::string cluster_section(const ClusterReport& c) {
  const Month& m = c.job.month;
  std::string out = "<h2>" + html_text(m.cluster_alias.empty() ? m.cluster_id : m.cluster_alias) + " <span class=\"" +
                    (c.done ? "good\">done" : "bad\">failed") + "</span></h2>\n<p class=\"soft\">" + day_text(m.first_day) + " to " +
                    day_text(m.last_day) + ", source " + html_text(m.source_uuid) + ", cluster " + html_text(m.cluster_id) +
                    ", report period " + std::to_string(m.report_period_id) + "</p>\n";
  if (!c.error.empty()) out += "<p class=\"bad\">" + html_text(c.error) + "</p>\n";
  int64_t rows = 0;
  for (const Kind kind : kKinds) rows += c.hourly[static_cast<int>(kind)].rows + c.daily[static_cast<int>(kind)].rows;
  out += "<div class=\"figures\">" + figure(grouped(rows), "rows in") + figure(grouped(c.out.written), "rows out") +
         figure(grouped(c.out.pods), "of pods") + figure(grouped(c.out.storage), "of volumes") +
         figure(grouped(c.out.unallocated), "unallocated") + figure(grouped(c.out.deleted), "replaced") +
         figure(fixed("%.1f s", c.seconds), "time") +
         figure(c.line_items > 0 ? fixed("%.3f", static_cast<double>(c.joined_items) / static_cast<double>(c.line_items)) : "-",
                "fan-out of pods") +
         "</div>\n" + warnings_of(c);
  out +=
      "<p class=\"key\"><span style=\"background:var(--usage)\"></span>used<span style=\"background:var(--request)\"></span>requested"
      "<span style=\"background:var(--capacity)\"></span>there (nodes)<span class=\"mark\"></span>what is there, where more was "
      "requested</p>\n"
      "<p class=\"soft\">Numbers beside the bars: used / requested / there.</p>\n";
  return out + charts_of("day", c.days, true) + charts_of("namespace", c.namespaces, false) + charts_of("node", c.nodes, false) +
         rows_table(c) + details_of(c);
}

}  // namespace

std::string report_html(const RunReport& report) {
  std::string out = kHead;
  out += "<h1>OpenShift cost summary</h1>\n<p class=\"soft\">" + html_text(report.started) + ", " + fixed("%.1f", report.seconds) +
         " s, peak memory " + megabytes(report.peak_bytes) + ", mode " + html_text(report.mode) + (report.dry_run ? ", dry run" : "") +
         "</p>\n";
  for (const ClusterReport& c : report.clusters) out += cluster_section(c);
  return out + "</body></html>\n";
}

}  // namespace ocp
