// The plan's sources are wrapped by ones that count what was read; a thread draws.

#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

#include "plan/logical.h"
#include "plan/value_ranges.h"
#include "sched/background_thread.h"

namespace gristmill::cli {
namespace {

struct Counts {
  std::atomic<int64_t> rows{0};
  std::atomic<int64_t> done{0};
  std::atomic<int64_t> total{0};
  std::atomic<bool> unknown{false};  // a source does not know how much there is
};
using CountsPtr = std::shared_ptr<Counts>;

class CountedScan final : public plan::Scan {
 public:
  CountedScan(std::shared_ptr<plan::Scan> scan, CountsPtr counts) : scan_(std::move(scan)), counts_(std::move(counts)) {
    const int64_t n = scan_->num_morsels();
    if (n < 0) counts_->unknown = true;
    if (n > 0) counts_->total += n;
  }
  int64_t num_morsels() const override { return scan_->num_morsels(); }
  arrow::Result<Next> next(uint64_t seq) override { return scan_->next(seq); }
  arrow::Result<std::unique_ptr<plan::ScanLocal>> make_local() override { return scan_->make_local(); }
  arrow::Status read(uint64_t seq, plan::ScanLocal& local, const plan::BatchConsumer& emit, plan::ScanCounts& counts) override {
    const int64_t before = counts.rows;
    const arrow::Status status = scan_->read(seq, local, emit, counts);
    counts_->rows += counts.rows - before;
    ++counts_->done;
    return status;
  }
  bool filters_exactly() const override { return scan_->filters_exactly(); }
  std::string file_of(int32_t input) const override { return scan_->file_of(input); }
  std::string detail() const override { return scan_->detail(); }

 private:
  const std::shared_ptr<plan::Scan> scan_;
  const CountsPtr counts_;
};

class CountedSource final : public plan::TableSource, public plan::ValueRanges {
 public:
  CountedSource(plan::TableSourcePtr source, CountsPtr counts) : source_(std::move(source)), counts_(std::move(counts)) {}
  std::string kind() const override { return source_->kind(); }
  std::string name() const override { return source_->name(); }
  std::shared_ptr<arrow::Schema> schema() const override { return source_->schema(); }
  plan::TableEstimate estimate() const override { return source_->estimate(); }
  std::optional<std::pair<double, double>> value_range(int field) const override {
    const auto* known = dynamic_cast<const plan::ValueRanges*>(source_.get());
    return known ? known->value_range(field) : std::nullopt;
  }
  std::string to_json() const override { return source_->to_json(); }
  arrow::Result<std::shared_ptr<plan::Scan>> open(const plan::ScanRequest& request) const override {
    ARROW_ASSIGN_OR_RAISE(auto scan, source_->open(request));
    return std::make_shared<CountedScan>(std::move(scan), counts_);
  }

 private:
  const plan::TableSourcePtr source_;
  const CountsPtr counts_;
};

// The same plan with counted sources; shared subtrees stay shared.
plan::PlanPtr counted(const plan::PlanPtr& p, const CountsPtr& counts, std::map<const plan::Plan*, plan::PlanPtr>& seen) {
  if (const auto found = seen.find(p.get()); found != seen.end()) return found->second;
  auto copy = std::make_shared<plan::Plan>(*p);
  for (plan::PlanPtr& input : copy->inputs) input = counted(input, counts, seen);
  if (copy->source) copy->source = std::make_shared<CountedSource>(copy->source, counts);
  return seen[p.get()] = copy;
}

class Line {
 public:
  explicit Line(CountsPtr counts) : counts_(std::move(counts)), begin_(Clock::now()) {
    thread_ = sched::start_thread("gm-progress", [this] { draw_on(); });
  }
  ~Line() {
    hide();
    if (thread_) thread_->join();
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void hide() {
    {
      std::lock_guard lock(mutex_);
      if (over_) return;
      over_ = true;
      if (drawn_) std::fputs("\r\x1b[K", stderr);
    }
    changed_.notify_all();
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr auto kFirst = std::chrono::milliseconds(400);
  static constexpr auto kEach = std::chrono::milliseconds(100);

  void draw_on() {
    std::unique_lock lock(mutex_);
    for (auto pause = kFirst; !changed_.wait_for(lock, pause, [&] { return over_; }); pause = kEach) {
      const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
      const bool known = !counts_->unknown && counts_->total > 0;
      const std::string text = progress_text(static_cast<double>(counts_->rows), seconds, static_cast<double>(counts_->done),
                                             known ? static_cast<double>(counts_->total) : -1);
      std::fprintf(stderr, "\r%s\x1b[K", text.c_str());
      drawn_ = true;
    }
  }

  const CountsPtr counts_;
  const Clock::time_point begin_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  bool drawn_ = false;
  std::optional<std::thread> thread_;
};

Line*& current() {
  static Line* line = nullptr;
  return line;
}
std::mutex& current_mutex() {
  static std::mutex mutex;
  return mutex;
}

bool wanted(const Command& command) {
  const char* terminal = std::getenv("TERM");
  return command.progress && isatty(STDERR_FILENO) && (terminal == nullptr || std::string_view(terminal) != "dumb");
}

// "950", "1.2k", "34.5M"
std::string short_number(double v) {
  const char* units[] = {"", "k", "M", "G", "T"};
  size_t u = 0;
  while (v >= 999.5 && u + 1 < std::size(units)) v /= 1000, ++u;
  char text[32];
  std::snprintf(text, sizeof text, u == 0 || v >= 99.95 ? "%.0f%s" : "%.1f%s", v, units[u]);
  return text;
}

std::string short_time(double seconds) {
  char text[32];
  const auto s = static_cast<int64_t>(seconds + 0.5);
  if (s < 60)
    std::snprintf(text, sizeof text, "%lld s", static_cast<long long>(s));
  else if (s < 3600)
    std::snprintf(text, sizeof text, "%lld:%02lld", static_cast<long long>(s / 60), static_cast<long long>(s % 60));
  else
    std::snprintf(text, sizeof text, "%lld h %lld min", static_cast<long long>(s / 3600), static_cast<long long>(s % 3600 / 60));
  return text;
}

}  // namespace

std::string progress_text(double rows, double seconds, double done, double total) {
  std::string out = short_number(rows) + " rows  " + short_number(seconds > 0 ? rows / seconds : 0) + " rows/s";
  if (total <= 0) return out + "  " + short_time(seconds);
  const double part = std::clamp(done / total, 0.0, 1.0);
  out += "  " + std::to_string(static_cast<int>(part * 100)) + "%";
  if (part > 0) out += "  ETA " + short_time(seconds * (1 - part) / part);
  return out;
}

void hide_progress() {
  std::lock_guard lock(current_mutex());
  if (current()) current()->hide();
}

arrow::Status run_with_progress(const Frame& frame, const Command& command, const std::function<arrow::Status(const Frame&)>& run) {
  if (!wanted(command) || !frame.plan().ok()) return run(frame);
  auto counts = std::make_shared<Counts>();
  std::map<const plan::Plan*, plan::PlanPtr> seen;
  const Frame with_counts(counted(*frame.plan(), counts, seen));
  Line line(counts);
  {
    std::lock_guard lock(current_mutex());
    current() = &line;
  }
  const arrow::Status status = run(with_counts);
  std::lock_guard lock(current_mutex());
  current() = nullptr;
  return status;
}

arrow::Result<Table> run_with_progress(const Frame& frame, const Command& command) {
  Table out;
  ARROW_RETURN_NOT_OK(run_with_progress(frame, command, [&](const Frame& f) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(out, f.collect(command.options));
    return arrow::Status::OK();
  }));
  return out;
}

arrow::Status run_with_progress(const Frame& frame, const Command& command,
                                const std::function<arrow::Status(std::shared_ptr<arrow::RecordBatch>)>& each) {
  return run_with_progress(frame, command, [&](const Frame& f) { return f.collect_batches(each, command.options); });
}

}  // namespace gristmill::cli
