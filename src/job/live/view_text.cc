// Each section makes its lines for the width; then they are chosen by importance and shown in their order.

#include "job/live/view_text.h"

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <utility>

#include "job/live/amounts.h"

namespace gristmill::job {
namespace {

constexpr int kWide = 76, kMiddle = 56;  // cells from which on there is room for more columns
constexpr double kStall = 5;             // seconds without progress that are worth a word

struct Section {
  int importance = 0;  // 0 goes last
  std::vector<StyledLine> lines;
  bool shrinks = false;  // may lose lines from its end
};

Ink ink_of(JobPhase phase) {
  switch (phase) {
    case JobPhase::kStarting: return Ink::kDim;
    case JobPhase::kRunning: return Ink::kGood;
    case JobPhase::kDraining: return Ink::kWarn;
    case JobPhase::kDone: return Ink::kGood;
    case JobPhase::kFailed: return Ink::kBad;
  }
  return Ink::kPlain;
}

Section title(const Sample& s, const Look& look) {
  StyledLine line;
  line.add(s.now.name.empty() ? "job" : s.now.name, Ink::kBold).gap();
  line.add(phase_name(s.now.phase), ink_of(s.now.phase)).gap().add(clock_seconds(s.now.seconds));
  const double part = s.now.fraction_done();
  if (part >= 0) {
    const std::string percent = whole_percent(part);
    const std::string eta = s.eta_seconds >= 0 ? "ETA " + clock_seconds(s.eta_seconds + 0.5) : "";
    const int64_t room = look.width - line.cells() - 14 - static_cast<int64_t>(eta.size());
    line.gap();
    if (room >= 8) line.bar(part, std::min<int64_t>(room, 40), look).gap(1);
    line.add(percent).gap().add(eta);
  }
  Section out{.importance = 0, .lines = {line}};
  if (!s.now.message.empty())
    out.lines.push_back(StyledLine().add(s.now.message, s.now.phase == JobPhase::kFailed ? Ink::kBad : Ink::kWarn));
  if (s.stalled_for(kStall) && !s.now.gauges.stream.on)  // with nothing to read an endless job is still
    out.lines.push_back(StyledLine().add("nothing has moved for " + clock_seconds(s.now.seconds_since_progress), Ink::kWarn));
  return out;
}

StyledLine flow_line(const char* way, int64_t rows, double rows_rate, int64_t bytes, double bytes_rate, const Look& look) {
  StyledLine line;
  line.left(way, 4, Ink::kDim).right(short_count(static_cast<double>(rows)), 6, Ink::kBold).add(" rows ");
  line.right(short_count(rows_rate), 6, Ink::kBold).add(" rows/s");
  if (bytes > 0 && look.width >= kMiddle)
    line.gap().right(short_bytes(static_cast<double>(bytes)), 8).gap().right(short_bytes(bytes_rate) + "/s", 10);
  return line;
}

Section flow(const Sample& s, const Look& look) {
  return {.importance = 1,
          .lines = {flow_line("in", s.now.rows_in, s.rows_in_rate, s.now.bytes_in, s.bytes_in_rate, look),
                    flow_line("out", s.now.rows_out, s.rows_out_rate, s.now.bytes_out, s.bytes_out_rate, look)}};
}

// What went another way than in and out; nothing when there is none of it.
Section exceptions(const Sample& s) {
  StyledLine line;
  const auto count = [&](const std::string& what, int64_t n, Ink ink) {
    if (n == 0) return;
    if (line.cells() > 0) line.gap();
    line.add(what + " ", Ink::kDim).add(short_count(static_cast<double>(n)), ink);
  };
  count("filtered", s.now.filtered, Ink::kPlain);
  count("rejected", s.now.rejected, Ink::kBad);
  count("skipped", s.now.skipped, Ink::kWarn);
  count("retries", s.now.retries, Ink::kWarn);
  for (const auto& [kind, n] : s.now.errors) count("errors " + kind, n, Ink::kBad);
  return {.importance = 2, .lines = line.cells() > 0 ? std::vector{line} : std::vector<StyledLine>{}};
}

std::string moment_text(int64_t unix_micros) {
  const auto seconds = static_cast<std::time_t>(unix_micros / 1'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%F %T", &parts);
  return text;
}

// Of jobs over sources that may not end.
Section endless(const Sample& s) {
  const StreamGauges& g = s.now.gauges.stream;
  if (!g.on) return {.importance = 1, .lines = {}};
  StyledLine line;
  line.left("lag", 8, Ink::kDim).add(short_count(static_cast<double>(g.lag)), g.lag > 0 ? Ink::kBold : Ink::kPlain).gap();
  if (g.watermark != INT64_MIN)
    line.add("watermark ", Ink::kDim).add(g.moments ? moment_text(g.watermark) : std::to_string(g.watermark)).gap();
  line.add(g.checkpoints ? "checkpoint " : "epoch ", Ink::kDim).add(std::to_string(g.epoch));
  line.add(", " + clock_seconds(g.checkpoint_age) + " ago");
  if (g.checkpoints) line.add(", " + short_bytes(static_cast<double>(g.checkpoint_bytes)));
  if (g.late_rows > 0) line.gap().add("late ", Ink::kDim).add(short_count(static_cast<double>(g.late_rows)), Ink::kWarn);
  Section out{.importance = 1, .lines = {line}};
  if (const std::string why = s.now.stalled(); !why.empty()) out.lines.push_back(StyledLine().add("stalled: " + why, Ink::kBad));
  return out;
}

Section steps(const Sample& s, const Look& look) {
  Section out{.importance = 3, .lines = {}, .shrinks = true};
  if (s.now.steps.empty()) return out;
  const bool wide = look.width >= kWide, middle = look.width >= kMiddle;
  const int64_t name_cells = wide ? 20 : std::clamp(look.width - (middle ? 44 : 24), 8, 20);
  int64_t most = 1;
  for (const auto& step : s.now.steps) most = std::max(most, step.nanoseconds);
  const auto line = [&](std::string_view name, const std::string& in, const std::string& passed, const std::string& rate,
                        const std::string& time, Ink ink) {
    StyledLine l;
    l.left(name, name_cells, ink);
    if (middle) l.right(in, 10, ink).right(passed, 10, ink);
    l.right(rate, 10, ink).right(time, 12, ink);
    return l;
  };
  out.lines.push_back(line("step", "rows in", "rows out", "rows/s", "time", Ink::kDim));
  for (size_t i = 0; i < s.now.steps.size(); ++i) {
    const Snapshot::Step& step = s.now.steps[i];
    const auto rows = [](int64_t n) { return short_count(static_cast<double>(n)); };
    StyledLine l = line(step.name, step.kind == StepKind::kSource ? "" : rows(step.rows_in), rows(step.rows_out),
                        short_count(s.steps[i].rows_rate), short_seconds(static_cast<double>(step.nanoseconds) / 1e9), Ink::kPlain);
    if (wide) l.gap().bar(static_cast<double>(step.nanoseconds) / static_cast<double>(most), std::min(look.width - 66, 30), look);
    out.lines.push_back(std::move(l));
  }
  return out;
}

double part_of(int64_t used, int64_t all) { return all > 0 ? static_cast<double>(used) / static_cast<double>(all) : 0; }

Section memory(const Sample& s, const Look& look) {
  const Gauges& g = s.now.gauges;
  StyledLine line;
  const auto bytes = [](int64_t n) { return short_bytes(static_cast<double>(n)); };
  line.left("memory", 8, Ink::kDim);
  if (g.memory_limit > 0 && look.width >= kMiddle) line.bar(part_of(g.memory_used, g.memory_limit), 10, look).gap(1);
  line.add(bytes(g.memory_used));
  if (g.memory_limit > 0) line.add(" of " + bytes(g.memory_limit));
  if (g.memory_peak > 0) line.gap().add("peak ", Ink::kDim).add(bytes(g.memory_peak));
  if (s.resident_bytes > 0) line.gap().add("resident ", Ink::kDim).add(bytes(s.resident_bytes));
  Section out{.importance = 5, .lines = {line}};
  if (g.ring_slots_total > 0) {
    StyledLine ring;
    ring.left("ring", 8, Ink::kDim);
    if (look.width >= kMiddle) ring.bar(part_of(g.ring_slots_used, g.ring_slots_total), 10, look).gap(1);
    ring.add(std::to_string(g.ring_slots_used) + " of " + std::to_string(g.ring_slots_total) + " slots");
    out.lines.push_back(std::move(ring));
  }
  return out;
}

// A cell a core when there are many of them, else a bar each.
Section cores(const Sample& s, const Look& look) {
  static constexpr const char* kLevels[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  Section out{.importance = 4, .lines = {}, .shrinks = true};
  if (s.cores.empty()) return out;
  StyledLine line;
  line.left("cpu", 8, Ink::kDim);
  double all = 0;
  for (const Sample::Core& core : s.cores) all += core.use;
  if (s.cores.size() > 8) {
    line.add(short_count(all) + " of " + std::to_string(s.cores.size()) + " cores").gap();
    for (const Sample::Core& core : s.cores) {
      const int level = std::min(static_cast<int>(core.use * 8), 7);
      line.add(look.unicode ? kLevels[level] : std::to_string(std::min(static_cast<int>(core.use * 10), 9)).c_str(), Ink::kBar);
    }
    out.lines.push_back(std::move(line));
    return out;
  }
  constexpr int64_t kCells = 18;  // "12 ########  93%  "
  for (const Sample::Core& core : s.cores) {
    if (line.cells() + kCells > look.width && line.cells() > 8) {
      out.lines.push_back(std::exchange(line, StyledLine()));
      line.gap(8);
    }
    line.left(std::to_string(core.cpu), 3).bar(core.use, 8, look).right(whole_percent(core.use), 5).gap(2);
  }
  out.lines.push_back(std::move(line));
  return out;
}

Section groups(const Sample& s, const Look& look) {
  Section out{.importance = 6, .lines = {}, .shrinks = true};
  for (size_t g = 0; g < s.groups.size(); ++g) {
    const Sample::Group& group = s.groups[g];
    StyledLine line;
    line.left("group " + std::to_string(g), 8, Ink::kDim).gap(group.workers > 99 ? 1 : 0);
    line.bar(group.load, 10, look).right(whole_percent(group.load), 5).gap();
    if (look.width >= kMiddle) line.add(std::to_string(group.workers) + (group.workers == 1 ? " worker" : " workers")).gap();
    line.add("steals ", Ink::kDim).add(short_count(static_cast<double>(group.steals)));
    out.lines.push_back(std::move(line));
  }
  return out;
}

Section batches(const Sample& s) {
  if (s.now.batches == 0) return {.importance = 7, .lines = {}};
  StyledLine line;
  line.left("batch", 8, Ink::kDim).add("p50 ", Ink::kDim).add(short_seconds(s.now.batch_p50)).gap();
  line.add("p99 ", Ink::kDim).add(short_seconds(s.now.batch_p99)).gap();
  line.add(short_count(static_cast<double>(s.now.batches)) + (s.now.batches == 1 ? " batch" : " batches"));
  return {.importance = 7, .lines = {line}};
}

// Drops what the height does not hold: lines of the least important sections first.
void fit(std::vector<Section>& sections, size_t room) {
  size_t lines = 0;
  for (const Section& section : sections) lines += section.lines.size();
  for (int importance = 7; importance >= 0 && lines > room; --importance) {
    for (Section& section : sections) {
      if (section.importance != importance) continue;
      while (lines > room && !section.lines.empty()) {
        const size_t least = section.shrinks && section.lines.size() > 2 ? section.lines.size() - 1 : 0;
        lines -= section.lines.size() - least;
        section.lines.resize(least);
      }
    }
  }
}

}  // namespace

std::vector<std::string> view_lines(const Sample& sample, const Look& look) {
  std::vector<Section> sections = {title(sample, look),  flow(sample, look),  endless(sample),      exceptions(sample), steps(sample, look),
                                   memory(sample, look), cores(sample, look), groups(sample, look), batches(sample)};
  fit(sections, static_cast<size_t>(std::max(look.height - 1, 1)));
  std::vector<std::string> out;
  for (const Section& section : sections) {
    for (const StyledLine& line : section.lines) out.push_back(line.text(look));
  }
  return out;
}

std::string plain_line(const Sample& s) {
  const auto n = [](int64_t v) { return short_count(static_cast<double>(v)); };
  StyledLine line;
  line.add(s.now.name.empty() ? "job" : s.now.name).add(": ").add(phase_name(s.now.phase)).add(" " + clock_seconds(s.now.seconds));
  line.add(", in " + n(s.now.rows_in) + " rows (" + short_count(s.rows_in_rate) + "/s), out " + n(s.now.rows_out) + " rows (" +
           short_count(s.rows_out_rate) + "/s)");
  if (s.now.fraction_done() >= 0) line.add(", " + whole_percent(s.now.fraction_done()));
  if (s.eta_seconds >= 0) line.add(", ETA " + clock_seconds(s.eta_seconds + 0.5));
  const auto count = [&](const char* what, int64_t v) {
    if (v > 0) line.add(std::string(", ") + what + " " + n(v));
  };
  count("filtered", s.now.filtered);
  count("rejected", s.now.rejected);
  count("skipped", s.now.skipped);
  count("retries", s.now.retries);
  for (const auto& [kind, v] : s.now.errors) count(("errors " + kind).c_str(), v);
  if (s.now.gauges.memory_used > 0) line.add(", memory " + short_bytes(static_cast<double>(s.now.gauges.memory_used)));
  if (const StreamGauges& g = s.now.gauges.stream; g.on) {
    line.add(", lag " + n(g.lag));
    if (g.watermark != INT64_MIN) line.add(", watermark " + (g.moments ? moment_text(g.watermark) : std::to_string(g.watermark)));
    line.add((g.checkpoints ? ", checkpoint " : ", epoch ") + std::to_string(g.epoch) + " " + clock_seconds(g.checkpoint_age) + " ago");
    if (g.checkpoints) line.add(" of " + short_bytes(static_cast<double>(g.checkpoint_bytes)));
    if (const std::string why = s.now.stalled(); !why.empty()) line.add(", stalled: " + why);
    return line.text(Look{.width = 1 << 20});
  }
  if (s.stalled_for(kStall)) line.add(", nothing has moved for " + clock_seconds(s.now.seconds_since_progress));
  Look look{.width = 1 << 20};
  return line.text(look);
}

}  // namespace gristmill::job
