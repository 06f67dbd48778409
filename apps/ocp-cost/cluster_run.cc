// Invariant: outputs are written when everything was computed and every input file is still the one that was listed; the database last, in
// one transaction. Until then nothing has changed.

#include "cluster_run.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include <arrow/record_batch.h>

#include "command.h"
#include "findings.h"
#include "locate.h"
#include "payload.h"
#include "reference.h"
#include "summary_table.h"

namespace ocp {

using gristmill::Frame;

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kNames = 20;  // in a warning

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class Attempt {
 public:
  Attempt(const RunContext& context, const Job& job, ClusterReport& report)
      : context_(context), settings_(context.settings), steps_(settings_.options(), context.cancel), job_(job), report_(report) {}

  arrow::Status run();
  // Whether the database, if there is one, is as it was.
  bool left_no_trace() { return !table_ || table_->transaction().retry_safe(); }

 private:
  arrow::Status connect();
  arrow::Status find_input();
  arrow::Result<Costs> compute();
  arrow::Status write_outputs(const Costs& costs);
  arrow::Status write_file(const char* what, const std::string& pattern,
                           const std::function<arrow::Result<int64_t>(const std::string&)>& write);
  arrow::Status write_database(const Frame& rows);
  void log_warnings() const;

  arrow::Status keep_going() const {
    return context_.cancel.cancelled() ? arrow::Status::Cancelled("the run was interrupted") : arrow::Status::OK();
  }
  Log::Fields who(Log::Fields more = {}) const {
    more.insert(more.begin(), {"source", job_.month.source_uuid});
    return more;
  }
  // Runs a step under a name that the report and the log know.
  arrow::Status phase(const char* name, const std::function<arrow::Status(Phase&)>& work) {
    ARROW_RETURN_NOT_OK(keep_going());
    const auto start = Clock::now();
    Phase p;
    p.name = name;
    const arrow::Status status = work(p);
    p.seconds = seconds_since(start);
    p.peak_bytes = peak_memory();
    report_.phases.push_back(p);
    if (status.ok()) context_.log.info(p.name, who({{"rows", p.rows}, {"seconds", p.seconds}}));
    return status;
  }

  const RunContext& context_;
  const Settings& settings_;
  KeptSteps steps_;
  Job job_;
  ClusterReport& report_;
  std::optional<SummaryTable> table_;
  std::optional<Reference> reference_;
  InputFiles files_[4];
};

arrow::Status Attempt::connect() {
  const ReferenceSettings& r = settings_.reference;
  if (!settings_.postgres.given()) {
    ARROW_ASSIGN_OR_RAISE(reference_, read_reference(r.enabled_keys, r.cost_categories, r.nodes));
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(table_, SummaryTable::open(settings_.postgres, job_, settings_.run.dry_run, [this] { return keep_going(); }));
  ARROW_ASSIGN_OR_RAISE(job_.month.report_period_id, table_->report_period());
  report_.job = job_;
  ARROW_ASSIGN_OR_RAISE(reference_, read_reference(table_->transaction(), job_.schema, r.enabled_keys, r.cost_categories, r.nodes));
  return arrow::Status::OK();
}

arrow::Status Attempt::find_input() {
  if (!settings_.input.payloads.empty()) return read_payloads(settings_, job_, context_.cancel, report_, files_);
  const gristmill::StorageOptions storage = settings_.store.options();
  ARROW_ASSIGN_OR_RAISE(report_.listing, list_month(settings_, job_));
  ARROW_RETURN_NOT_OK(look_inside(report_.listing, storage));
  for (const ListedFile& file : report_.listing.files) {
    RowsIn& in = (file.daily ? report_.daily : report_.hourly)[static_cast<int>(file.kind)];
    ++in.files;
    in.rows += file.rows;
  }
  input_files(report_.listing, storage, files_);
  return arrow::Status::OK();
}

arrow::Result<Costs> Attempt::compute() {
  const Keep keep = [&](const char* step, const std::vector<Frame>& rows) -> arrow::Result<std::vector<Frame>> {
    std::vector<Frame> kept;
    ARROW_RETURN_NOT_OK(phase(step, [&](Phase& p) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(KeptSteps::Kept step, steps_.run(rows));
      p.rows = step.rows;
      p.spilled = step.spilled_bytes;
      kept = std::move(step.frames);
      return arrow::Status::OK();
    }));
    return kept;
  };
  auto costs = month_costs(files_, *reference_, job_.month, keep);
  if (costs.ok()) return costs;
  return with_place(costs.status(), report_.listing, settings_.store.options());
}

arrow::Status Attempt::write_file(const char* what, const std::string& pattern,
                                  const std::function<arrow::Result<int64_t>(const std::string&)>& write) {
  if (pattern.empty()) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const std::string path, filled(pattern, job_));
  report_.outputs.push_back(path);
  return phase(what, [&](Phase& p) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(p.rows, write(path));
    report_.out.written = p.rows;
    return arrow::Status::OK();
  });
}

arrow::Status Attempt::write_database(const Frame& rows) {
  ARROW_ASSIGN_OR_RAISE(const Frame fitting, table_->fitting(rows));
  const int64_t period = job_.month.report_period_id;
  report_.outputs.push_back("postgres " + quoted_name(job_.schema, settings_.postgres.table));
  ARROW_RETURN_NOT_OK(phase("write to PostgreSQL", [&](Phase& p) -> arrow::Status {
    ARROW_RETURN_NOT_OK(
        fitting.collect_batches([&](const auto& batch) { return table_->write(*batch, period); }, steps_.options(), context_.cancel));
    ARROW_RETURN_NOT_OK(table_->finish(period));
    p.rows = table_->counts().written;
    return arrow::Status::OK();
  }));
  ARROW_RETURN_NOT_OK(check_unchanged(report_.listing, settings_.store.options()));
  ARROW_RETURN_NOT_OK(phase("commit", [&](Phase&) { return table_->commit(); }));
  const SummaryTable::Counts& counts = table_->counts();
  report_.out.written = counts.written;
  report_.out.deleted = counts.deleted;
  report_.partitions = counts.partitions;
  report_.unknown_columns = counts.unknown_columns;
  return arrow::Status::OK();
}

arrow::Status Attempt::write_outputs(const Costs& costs) {
  const OutputSettings& out = settings_.output;
  const gristmill::SinkOptions store{settings_.store.options()};
  const bool database = table_.has_value();
  Frame rows = summary(costs, job_.month);
  const bool several = (database ? 1 : 0) + (out.parquet.empty() ? 0 : 1) + (out.csv.empty() ? 0 : 1) > 1;
  if (several) {  // sorted once
    ARROW_ASSIGN_OR_RAISE(const gristmill::Held held, gristmill::hold(rows, steps_.options(), context_.cancel));
    rows = held.frame;
  }
  const gristmill::ParallelOptions options = steps_.options();
  const gristmill::ParquetSinkOptions parquet = parquet_form();
  ARROW_RETURN_NOT_OK(write_file("write Parquet", out.parquet,
                                 [&](const std::string& path) { return rows.sink_parquet(path, options, context_.cancel, store, parquet); }));
  ARROW_RETURN_NOT_OK(write_file("write staging", out.staging, [&](const std::string& path) {
    return summary(costs, job_.month, true).sink_parquet(path, options, context_.cancel, store, parquet);
  }));
  ARROW_RETURN_NOT_OK(write_file("write CSV", out.csv, [&](const std::string& path) {
    gristmill::CsvWriteOptions text;
    text.null_value = "\\N";
    return rows.sink_csv(path, options, context_.cancel, store, text);
  }));
  return database ? write_database(rows) : arrow::Status::OK();
}

void Attempt::log_warnings() const {
  for (const Warning& w : report_.warnings) {
    std::string names;
    for (const std::string& n : w.names) names += (names.empty() ? "" : ", ") + n;
    context_.log.warning(w.message, who({{"code", w.code}, {"count", w.count}, {"names", names}}));
  }
}

arrow::Status Attempt::run() {
  ARROW_RETURN_NOT_OK(phase("connect", [&](Phase&) { return connect(); }));
  ARROW_RETURN_NOT_OK(phase("list", [&](Phase& p) {
    const arrow::Status status = find_input();
    for (const RowsIn& in : report_.hourly) p.rows += in.rows;
    for (const RowsIn& in : report_.daily) p.rows += in.rows;
    return status;
  }));
  ARROW_ASSIGN_OR_RAISE(const Costs costs, compute());
  ARROW_RETURN_NOT_OK(phase("findings", [&](Phase&) { return add_findings(costs, *reference_, steps_.options(), report_); }));
  if (report_.listing.files.empty())
    report_.warnings.push_back({"no_input", "the month has no input files: its rows are taken away", 0, report_.listing.folders});
  if (const auto& ignored = report_.listing.ignored; !ignored.empty())
    report_.warnings.push_back({"ignored_files",
                                "files of no known kind were left out",
                                static_cast<int64_t>(ignored.size()),
                                {ignored.begin(), ignored.begin() + static_cast<int64_t>(std::min(kNames, ignored.size()))}});
  log_warnings();
  ARROW_RETURN_NOT_OK(check_unchanged(report_.listing, settings_.store.options()));
  if (!settings_.run.dry_run) return write_outputs(costs);
  report_.out.written = report_.out.pods + report_.out.storage + report_.out.unallocated;
  if (table_) {
    ARROW_ASSIGN_OR_RAISE(report_.out.deleted, table_->replaceable(job_.month.report_period_id));
  }
  return arrow::Status::OK();
}

// Waits unless the run is interrupted.
void pause(const RunContext& context, std::chrono::milliseconds time) {
  for (const auto end = Clock::now() + time; Clock::now() < end && !context.cancel.cancelled();)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

}  // namespace

arrow::Status run_cluster(const RunContext& context, const Job& job, ClusterReport& report) {
  constexpr std::chrono::milliseconds kFirstPause{500}, kLongestPause{30'000};
  const auto start = Clock::now();
  std::chrono::milliseconds wait = kFirstPause;
  arrow::Status status;
  for (int64_t attempt = 1;; ++attempt) {
    report = ClusterReport{};
    report.job = job;
    report.attempts = attempt;
    Attempt one(context, job, report);
    status = one.run();
    const bool again = !status.ok() && !context.cancel.cancelled() && context.settings.postgres.given() &&
                       attempt < context.settings.postgres.attempts && one.left_no_trace() && SummaryTable::worth_another_try(status);
    if (!again) break;
    context.log.warning("trying again: " + error_text(status), {{"source", job.month.source_uuid}, {"attempt", attempt}});
    pause(context, wait);
    wait = std::min(wait * 2, kLongestPause);
  }
  report.done = status.ok();
  report.seconds = seconds_since(start);
  if (!status.ok()) report.error = error_text(status);
  return status;
}

}  // namespace ocp
