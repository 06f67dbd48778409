// gristmill run, retry, validate, init and test: record jobs.
//
// The accounting goes to the standard error, at the end and whatever the end was. The first signal asks the run to finish what it has
// accepted, the second to stop at once, a third ends the program.

#include <cstdio>
#include <cstdlib>
#include <memory>

#include <arrow/type.h>

#include "base/status.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "column/types.h"
#include "frame/query_runner.h"
#include "gristmill/store.h"
#include "io/output_file.h"
#include "job/live/live_json.h"
#include "job/live/live_server.h"
#include "job/live/terminal_view.h"
#include "job/retry.h"
#include "job/run_job.h"
#include "job/test_job.h"

namespace gristmill::cli {
namespace {

// What signals ask of a run, looked at by the engine about every 20 ms.
class Signalled {
 public:
  explicit Signalled(const job::RunOptions& run) : before_(QueryRunner::interrupt()) {
    count_signals();
    QueryRunner::set_interrupt([run]() -> arrow::Status {
      const int n = signals_counted();
      if (n > 0 && !run.stop.cancelled()) {
        run.stop.cancel(base::cancelled_error("stopped"));
        if (run.status != nullptr) run.status->set_phase(job::JobPhase::kDraining, "a signal asked it to end");
      }
      if (n < 2) return arrow::Status::OK();
      run.cancel.cancel();
      return base::cancelled_error("interrupted");
    });
  }
  ~Signalled() { QueryRunner::set_interrupt(before_); }
  Signalled(const Signalled&) = delete;
  Signalled& operator=(const Signalled&) = delete;

 private:
  const std::function<arrow::Status()> before_;
};

arrow::Status write_report(const Command& command, const job::JobReport& report, const job::JobStatus& status) {
  return command.report.empty() ? arrow::Status::OK() : write_bytes(command.report, report.json(job::status_json(status.snapshot())));
}

// What is shown while a job runs: on the terminal, and over HTTP where that was asked for. Gone with this object.
class Shown {
 public:
  static arrow::Result<std::unique_ptr<Shown>> start(const Command& command, const job::JobStatus& status) {
    auto out = std::make_unique<Shown>();
    if (!command.listen.empty()) {
      ARROW_ASSIGN_OR_RAISE(auto options, job::live_options(command.listen, std::getenv("GRISTMILL_LISTEN_TOKEN")));
      ARROW_ASSIGN_OR_RAISE(out->server_, job::LiveServer::start(std::move(options), status));
      std::fprintf(stderr, "listening on %s\n", out->server_->url().c_str());
    }
    if (command.live) out->view_ = job::TerminalView::start({}, status);
    return out;
  }
  void hide() { view_.reset(); }

 private:
  std::unique_ptr<job::LiveServer> server_;
  std::unique_ptr<job::TerminalView> view_;
};

// Flags win over the file.
void apply_flags(const Command& command, job::Job& job) {
  if (command.options.num_workers > 0) job.parallel.workers = command.options.num_workers;
  if (command.options.memory_limit > 0) job.parallel.memory = command.options.memory_limit;
}

}  // namespace

arrow::Status run_run(const Command& command) {
  ARROW_ASSIGN_OR_RAISE(job::Job job, job::load_job(command.operands[0]));
  apply_flags(command, job);
  job::JobStatus numbers;
  job::RunOptions options;
  options.status = &numbers;
  job::JobReport report;
  arrow::Status status;
  {
    ARROW_ASSIGN_OR_RAISE(const auto shown, Shown::start(command, numbers));
    const Signalled signalled(options);
    status = job::run_job(job, options, report);
    shown->hide();
  }
  if (!report.steps.empty()) std::fputs(report.text().c_str(), stderr);
  const arrow::Status reported = write_report(command, report, numbers);
  return status.ok() ? reported : status;
}

arrow::Status run_retry(const Command& command) {
  job::RetryOptions options;
  options.job_file = command.job_file;
  job::RetryReport report;
  arrow::Status status;
  {
    const Signalled signalled(options.run);
    status = job::retry_job(command.operands[0], options, report);
  }
  for (const job::JobReport& r : report.runs) std::fputs(r.text().c_str(), stderr);
  if (status.ok() || report.fed > 0) {
    std::fprintf(stderr, "%lld records fed back, %lld left in %s\n", static_cast<long long>(report.fed),
                 static_cast<long long>(report.left), command.operands[0].c_str());
  }
  return status;
}

arrow::Status run_validate(const Command& command) {
  ARROW_ASSIGN_OR_RAISE(const job::Job job, job::load_job(command.operands[0]));
  ARROW_ASSIGN_OR_RAISE(const job::CheckedJob checked, job::check_job(job));
  std::string out;
  for (const auto& [step, schema] : checked.steps) {
    out += step + "\n";
    for (const auto& f : schema->fields()) out += "  " + f->name() + ": " + column::type_text(*column::canonical_type(f->type())) + "\n";
  }
  for (const auto& sink : job.sinks) {
    ARROW_ASSIGN_OR_RAISE(const auto made, sink.make());
    out += made->name() + (sink.when.empty() ? "" : " when " + sink.when) + "\n";
  }
  write_out(out);
  return arrow::Status::OK();
}

arrow::Status run_init(const Command& command) {
  if (command.schema) {
    write_out(job::job_schema_json());
    return arrow::Status::OK();
  }
  const std::string file = command.operands.empty() ? "job.yaml" : command.operands[0];
  if (file == "-") {
    write_out(job::starting_job());
    return arrow::Status::OK();
  }
  ARROW_RETURN_NOT_OK(io::must_be_new(file));
  ARROW_RETURN_NOT_OK(write_bytes(file, job::starting_job()));
  std::fprintf(stderr, "%s is there; gristmill validate %s checks it, gristmill run %s runs it\n", file.c_str(), file.c_str(),
               file.c_str());
  return arrow::Status::OK();
}

arrow::Status run_test(const Command& command) {
  ARROW_ASSIGN_OR_RAISE(const auto cases, job::test_job(command.operands[0]));
  int failed = 0;
  for (const job::TestCase& c : cases) {
    std::fprintf(stderr, "%s %s%s%s\n", c.passed ? "ok    " : "FAILED", c.name.c_str(), c.passed ? "" : ": ", c.what.c_str());
    failed += !c.passed;
  }
  std::fprintf(stderr, "%d of %d cases passed\n", static_cast<int>(cases.size()) - failed, static_cast<int>(cases.size()));
  return failed == 0 ? arrow::Status::OK() : differs(std::to_string(failed) + (failed == 1 ? " case failed" : " cases failed"));
}

}  // namespace gristmill::cli
