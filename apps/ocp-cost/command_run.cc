// gristmill-ocp run: the months of all clusters, one after the other; a failed one does not keep the others from being done.

#include <CLI/CLI.hpp>

#include <chrono>
#include <iostream>

#include "cluster_run.h"
#include "command.h"
#include "configure.h"
#include "stop.h"

namespace ocp {

namespace {

int usage_error(const arrow::Status& status) {
  std::cerr << "gristmill-ocp run: " << error_text(status) << "\n";
  return kUsage;
}

// Reports are written whatever became of the run; one that cannot be written fails it.
arrow::Status write_reports(const Settings& settings, const RunReport& report) {
  const gristmill::StorageOptions storage = settings.store.options();
  if (settings.run.report == "-") {
    std::cout << report_json(report) << std::flush;
  } else if (!settings.run.report.empty()) {
    ARROW_RETURN_NOT_OK(gristmill::write_bytes(settings.run.report, report_json(report), storage));
  }
  if (!settings.run.html.empty()) ARROW_RETURN_NOT_OK(gristmill::write_bytes(settings.run.html, report_html(report), storage));
  if (!settings.run.metrics.empty())
    ARROW_RETURN_NOT_OK(gristmill::write_bytes(settings.run.metrics, report_metrics(report).text(), storage));
  return arrow::Status::OK();
}

arrow::Result<int> run(const ConfigureFlags& flags) {
  Settings settings;
  std::string printed;
  if (const arrow::Status s = configure(flags, settings, printed); !s.ok()) return usage_error(s);
  if (flags.print) {
    std::cout << printed;
    return kDone;
  }
  if (const arrow::Status s = settings.check(); !s.ok()) return usage_error(s);
  const auto jobs = settings.jobs(today());
  if (!jobs.ok()) return usage_error(jobs.status());

  const gristmill::Cancellation cancel;
  stop_on_signals(cancel);
  const Log log(settings.run.log == "json");
  const RunContext context{settings, log, cancel};
  RunReport report;
  report.started = now_text();
  report.mode = settings.run.mode;
  report.dry_run = settings.run.dry_run;
  const auto start = std::chrono::steady_clock::now();
  for (const Job& job : *jobs) {
    if (cancel.cancelled()) break;
    report.clusters.emplace_back();
    const arrow::Status status = run_cluster(context, job, report.clusters.back());
    const ClusterReport& done = report.clusters.back();
    const Log::Fields fields = {{"source", job.month.source_uuid},
                                {"from", day_text(job.month.first_day)},
                                {"to", day_text(job.month.last_day)},
                                {"rows", done.out.written},
                                {"seconds", done.seconds}};
    if (status.ok()) log.info(settings.run.dry_run ? "done (dry run)" : "done", fields);
    if (!status.ok()) log.error(error_text(status), fields);
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.peak_bytes = peak_memory();
  const arrow::Status written = write_reports(settings, report);
  if (stop_signal() != 0) return 128 + stop_signal();
  ARROW_RETURN_NOT_OK(written);
  return report.done() ? kDone : kFailed;
}

}  // namespace

Run declare_run(CLI::App& command) {
  auto flags = std::make_shared<ConfigureFlags>();
  add_configure_flags(command, flags, true);
  command.footer("Every key of the configuration, [its variable]:\n" + Settings().table().help());
  return [flags] { return run(*flags); };
}

}  // namespace ocp
