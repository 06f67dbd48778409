// What a run did, as a tree for people and as JSON for programs.

#include <cinttypes>
#include <cstdio>

#include "exec/lower.h"
#include "plan/explain.h"

namespace gristmill::exec {
namespace {

std::string grouped(int64_t n) {
  std::string digits = std::to_string(n), out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0 && digits[i - 1] != '-') out += ',';
    out += digits[i];
  }
  return out;
}

std::string format(const char* pattern, double v) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, pattern, v);
  return buffer;
}

// Explain prints one node a line in preorder, so line k belongs to node k, shared subtrees once per mention.
void number_nodes(const plan::Plan& p, std::vector<const plan::Plan*>& order) {
  order.push_back(&p);
  for (const auto& in : p.inputs) number_nodes(*in, order);
}

std::string node_line(const RunReport& report, int node) {
  std::string out;
  for (const auto& n : report.nodes) {
    if (n.plan_node != node) continue;
    out += "    . " + n.name;
    if (n.counts.in > 0 || n.counts.out > 0) out += ": rows " + grouped(n.counts.in) + " in, " + grouped(n.counts.out) + " out";
    if (n.counts.skipped > 0) out += ", " + grouped(n.counts.skipped) + " skipped";
    out += ", " + format("%.2f ms", static_cast<double>(n.counts.nanoseconds) * 1e-6);
    if (!n.detail.empty()) out += ", " + n.detail;
    out += "\n";
  }
  return out;
}

std::string quoted(const std::string& s) {
  std::string out = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char b[8];
      std::snprintf(b, sizeof b, "\\u%04x", c);
      out += b;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace

std::string analyze_text(const PhysicalQuery& query) {
  std::vector<const plan::Plan*> order;
  number_nodes(*query.plan, order);
  std::vector<const plan::Plan*> unique;  // the numbers lowering gave: first mention of each node
  auto id = [&](const plan::Plan* p) {
    for (size_t i = 0; i < unique.size(); ++i) {
      if (unique[i] == p) return static_cast<int>(i);
    }
    unique.push_back(p);
    return static_cast<int>(unique.size()) - 1;
  };
  const std::string tree = plan::explain_with_guesses(*query.plan);
  std::string out;
  size_t line = 0, begin = 0;
  while (begin < tree.size()) {
    size_t end = tree.find('\n', begin);
    if (end == std::string::npos) end = tree.size();
    const std::string text = tree.substr(begin, end - begin);
    out += text + "\n";
    if (line < order.size()) {
      const std::string indent(text.find_first_not_of(' ') == std::string::npos ? 0 : text.find_first_not_of(' '), ' ');
      std::string detail = node_line(*query.report, id(order[line]));
      size_t at = 0;
      while (at < detail.size()) {
        const size_t stop = detail.find('\n', at);
        out += indent + detail.substr(at, stop - at) + "\n";
        at = stop + 1;
      }
    }
    line++;
    begin = end + 1;
  }
  const RunReport& r = *query.report;
  out += format("time %.2f ms", r.statistics.processing_time_seconds * 1e3) + ", workers " + std::to_string(r.statistics.num_workers) +
         ", morsels " + grouped(r.statistics.total_morsels_processed) + ", steals " + grouped(r.statistics.steals) + ", peak memory " +
         format("%.1f MB", static_cast<double>(r.peak_bytes) * 1e-6) + ", spilled " +
         format("%.1f MB", static_cast<double>(r.spilled_bytes) * 1e-6) + "\n";
  return out;
}

std::string report_json(const RunReport& report) {
  const sched::Statistics& s = report.statistics;
  std::string out = "{\"num_workers\":" + std::to_string(s.num_workers) + ",\"morsel_size_kb\":" + format("%.1f", s.morsel_size_kb) +
                    ",\"total_morsels_created\":" + std::to_string(s.total_morsels_created) +
                    ",\"total_morsels_processed\":" + std::to_string(s.total_morsels_processed) +
                    ",\"processing_time_seconds\":" + format("%.6f", s.processing_time_seconds) +
                    ",\"morsels_per_second\":" + format("%.1f", s.morsels_per_second) + ",\"steals\":" + std::to_string(s.steals) +
                    ",\"peak_bytes\":" + std::to_string(report.peak_bytes) + ",\"spilled_bytes\":" + std::to_string(report.spilled_bytes) +
                    ",\"workers\":[";
  for (size_t i = 0; i < s.workers.size(); ++i) {
    const auto& w = s.workers[i];
    out += std::string(i ? "," : "") + "{\"numa_node\":" + std::to_string(w.numa_node) +
           ",\"processed_count\":" + std::to_string(w.processed_count) + ",\"rows\":" + std::to_string(w.rows) +
           ",\"busy_seconds\":" + format("%.6f", w.busy_seconds) + ",\"queue_size\":" + std::to_string(w.queue_size) +
           ",\"is_idle\":" + (w.is_idle ? "true" : "false") + "}";
  }
  out += "],\"operators\":[";
  for (size_t i = 0; i < report.nodes.size(); ++i) {
    const auto& n = report.nodes[i];
    out += std::string(i ? "," : "") + "{\"node\":" + std::to_string(n.plan_node) + ",\"name\":" + quoted(n.name) +
           ",\"rows_in\":" + std::to_string(n.counts.in) + ",\"rows_out\":" + std::to_string(n.counts.out) +
           ",\"filtered\":" + std::to_string(n.counts.filtered) + ",\"skipped\":" + std::to_string(n.counts.skipped) +
           ",\"seconds\":" + format("%.6f", static_cast<double>(n.counts.nanoseconds) * 1e-9) + ",\"detail\":" + quoted(n.detail) + "}";
  }
  return out + "]}";
}

}  // namespace gristmill::exec
