// What a run says of itself at its end: a table for people, an object for programs.

#include <algorithm>
#include <cstdio>

#include "io/text_format.h"
#include "job/run_job.h"

namespace gristmill::job {
namespace {

std::string grouped(int64_t n) {
  std::string digits = std::to_string(n < 0 ? -n : n), out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return n < 0 ? "-" + out : out;
}

std::string fixed(double v, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", digits, v);
  return text;
}

std::string size_text(int64_t bytes) {
  if (bytes < 10 << 20) return fixed(static_cast<double>(bytes) / 1024.0, 0) + " KiB";
  return fixed(static_cast<double>(bytes) / 1048576.0, 0) + " MiB";
}

// Columns as wide as their widest cell; the first to the left, numbers to the right.
std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(rows[0].size(), 0);
  for (const auto& r : rows) {
    for (size_t c = 0; c < r.size(); ++c) widths[c] = std::max(widths[c], r[c].size());
  }
  std::string out;
  for (const auto& r : rows) {
    std::string line = "  " + r[0] + std::string(widths[0] - r[0].size(), ' ');
    for (size_t c = 1; c < r.size(); ++c) line += "  " + std::string(widths[c] - r[c].size(), ' ') + r[c];
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

int64_t sum_of(const std::vector<StepTotals>& steps, int64_t StepCounts::* what) {
  int64_t sum = 0;
  for (const StepTotals& s : steps) sum += s.counts.*what;
  return sum;
}

void key(const char* name, std::string& out) {
  out += '"';
  out += name;
  out += "\":";
}
void text_member(const char* name, const std::string& value, std::string& out) {
  key(name, out);
  io::append_json_text(value, out);
  out += ',';
}
void number_member(const char* name, int64_t value, std::string& out) {
  key(name, out);
  out += std::to_string(value) + ",";
}

std::string step_json(const StepTotals& s) {
  std::string out = "{";
  text_member("name", s.name, out);
  text_member("kind", std::string(step_kind_name(s.kind)), out);
  const StepCounts& c = s.counts;
  number_member("rows_in", c.rows_in, out);
  number_member("rows_out", c.rows_out, out);
  number_member("filtered", c.filtered, out);
  number_member("rejected", c.rejected, out);
  number_member("skipped", c.skipped, out);
  number_member("merged", c.merged, out);
  number_member("generated", c.generated, out);
  number_member("batches", c.batches, out);
  if (s.kind != StepKind::kTransform) number_member("bytes", c.bytes, out);
  key("seconds", out);
  out += fixed(static_cast<double>(c.nanoseconds) * 1e-9, 6);
  for (const auto& [name, n] : s.more) {
    out += ',';
    io::append_json_text(name, out);
    out += ':' + std::to_string(n);
  }
  return out + "}";
}

}  // namespace

int64_t JobReport::bad_rows() const { return sum_of(steps, &StepCounts::rejected) + sum_of(steps, &StepCounts::skipped); }

std::string JobReport::text() const {
  int64_t read = 0, written = 0;
  std::vector<std::vector<std::string>> rows{{"step", "rows in", "rows out", "filtered", "rejected", "skipped", "seconds"}};
  for (const StepTotals& s : steps) {
    const StepCounts& c = s.counts;
    if (s.kind == StepKind::kSource) read += c.rows_in;
    if (s.kind == StepKind::kSink) written += c.rows_out;
    rows.push_back({s.name, grouped(c.rows_in), grouped(c.rows_out), grouped(c.filtered + c.merged), grouped(c.rejected),
                    grouped(c.skipped), fixed(static_cast<double>(c.nanoseconds) * 1e-9, 3)});
  }
  const double rate = seconds > 0 ? static_cast<double>(read) / seconds : 0;
  std::string out = name + ": " + outcome + " in " + fixed(seconds, 3) + " s, " + grouped(static_cast<int64_t>(rate)) + " rows/s, " +
                    std::to_string(workers) + (workers == 1 ? " worker" : " workers") + ", peak " + size_text(peak_bytes) +
                    (record_bytes > 0 ? ", " + fixed(record_bytes, 0) + " bytes a record" : "") + "\n" + table(rows);
  if (outcome == "failed") return out + "  the run failed; the numbers are what it came to\n";
  const int64_t merged = sum_of(steps, &StepCounts::merged), generated = sum_of(steps, &StepCounts::generated);
  out += "  " + grouped(read) + " read" + (generated > 0 ? " + " + grouped(generated) + " made" : "") + " = " + grouped(written) +
         " written + " + grouped(sum_of(steps, &StepCounts::filtered)) + " filtered + " + grouped(sum_of(steps, &StepCounts::rejected)) +
         " rejected + " + grouped(sum_of(steps, &StepCounts::skipped)) + " skipped" +
         (merged > 0 ? " + " + grouped(merged) + " merged" : "") + "\n";
  if (sum_of(steps, &StepCounts::rejected) > 0) out += "  rejected records are in " + dead_letters + "; gristmill retry feeds them back\n";
  return out;
}

std::string JobReport::json(const std::string& metrics) const {
  std::string out = "{";
  text_member("name", name, out);
  text_member("outcome", outcome, out);
  if (!error.empty()) text_member("error", error, out);
  key("seconds", out);
  out += fixed(seconds, 6) + ",";
  number_member("workers", workers, out);
  number_member("peak_bytes", peak_bytes, out);
  number_member("batch_rows", batch_rows, out);
  key("record_bytes", out);
  out += fixed(record_bytes, 1) + ",";
  number_member("spilled_bytes", spilled_bytes, out);
  number_member("steals", steals, out);
  if (!dead_letters.empty()) text_member("dead_letters", dead_letters, out);
  key("balanced", out);
  out += std::string(outcome != "failed" && balance_of(steps).ok() ? "true" : "false") + ",";
  key("steps", out);
  out += '[';
  for (size_t i = 0; i < steps.size(); ++i) out += (i > 0 ? "," : "") + step_json(steps[i]);
  out += ']';
  if (!metrics.empty()) out += ",\"metrics\":" + metrics;
  return out + "}\n";
}

}  // namespace gristmill::job
