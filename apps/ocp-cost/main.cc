// gristmill-ocp: the cost summary of OpenShift usage.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage. Data goes to stdout or the file asked for, everything else to stderr.

#include <CLI/CLI.hpp>

#include <cstdio>
#include <iostream>
#include <string>

#include <arrow/compute/initialize.h>

#include "golden_case.h"

namespace {

struct RunFlags {
  int workers = 0;
  int64_t memory = 0;
  std::string mode = "self_hosted";
};

int failed(const arrow::Status& status) {
  std::cerr << "gristmill-ocp: " << status.message() << "\n";
  return 1;
}

arrow::Status run_case(const std::string& folder, const std::string& out, const RunFlags& flags) {
  ARROW_ASSIGN_OR_RAISE(ocp::CaseFolder job, ocp::open_case(folder));
  job.month.mode = flags.mode == "trino" ? ocp::Mode::kTrino : ocp::Mode::kSelfHosted;
  gristmill::ParallelOptions options;
  options.num_workers = flags.workers;
  options.memory_limit = flags.memory;
  ARROW_ASSIGN_OR_RAISE(gristmill::Frame rows, ocp::month_summary(job.files, job.reference, job.month));
  gristmill::CsvWriteOptions csv;
  csv.null_value = "\\N";
  return rows.sink_csv(out, options, {}, {}, csv).status();
}

}  // namespace

int main(int argc, char** argv) {
  if (!arrow::compute::Initialize().ok()) return 1;
  CLI::App app{"The cost summary of OpenShift usage: Parquet in, one table out.", "gristmill-ocp"};
  app.require_subcommand(1);
  RunFlags flags;
  std::string folder, out;
  auto* one = app.add_subcommand("case", "Runs one folder of job.json, input files and reference tables into a CSV file");
  one->add_option("folder", folder, "the folder")->required()->check(CLI::ExistingDirectory);
  one->add_option("--out", out, "the CSV file to write")->required();
  one->add_option("--workers", flags.workers, "threads, 0 = all")->check(CLI::NonNegativeNumber);
  one->add_option("--memory", flags.memory, "limit, e.g. 512MB")->transform(CLI::AsSizeValue(false));
  one->add_option("--mode", flags.mode, "whose NULL rules: self_hosted or trino")->check(CLI::IsMember({"self_hosted", "trino"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (const arrow::Status status = run_case(folder, out, flags); !status.ok()) return failed(status);
  return 0;
}
