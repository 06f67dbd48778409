// gristmill-ocp verify: the month by an independent SQL statement, run by a PostgreSQL server over the same rows.

#include <CLI/CLI.hpp>

#include <iostream>
#include <memory>

#include "command.h"
#include "golden_case.h"
#include "verify.h"

namespace ocp {

namespace {

struct Flags {
  std::string folder, postgres, result;
  int workers = 0;
  int64_t memory = 0;
  std::string mode = "self_hosted";
};

int report(const Comparison& c) {
  if (c.same()) {
    std::cout << "equal: " << c.rows_here << " rows, the same as PostgreSQL's\n";
    return kDone;
  }
  std::cout << "DIFFERENT: " << c.rows_here << " rows here, " << c.rows_there << " by PostgreSQL; without a partner " << c.unmatched_here
            << " here, " << c.unmatched_there << " there\n";
  for (const std::string& difference : c.differences) std::cout << "  " << difference << "\n";
  return kDiffers;
}

arrow::Result<int> run_verify(const Flags& flags) {
  ARROW_ASSIGN_OR_RAISE(CaseFolder job, open_case(flags.folder));
  job.month.mode = flags.mode == "trino" ? Mode::kTrino : Mode::kSelfHosted;
  gristmill::ParallelOptions options;
  options.num_workers = flags.workers;
  options.memory_limit = flags.memory;
  KeptSteps steps(options);
  auto rows = flags.result.empty() ? month_summary(job.files, job.reference, job.month, steps) : read_result(flags.result);
  ARROW_ASSIGN_OR_RAISE(const gristmill::Frame result, rows);
  ARROW_ASSIGN_OR_RAISE(const Comparison comparison,
                        verify_month(job.files, job.reference, job.month, result, flags.postgres, steps.options()));
  return report(comparison);
}

}  // namespace

Run declare_verify(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  command.add_option("folder", flags->folder, "the folder, as `case` and `generate` know it")->required()->check(CLI::ExistingDirectory);
  command.add_option("--postgres", flags->postgres, "the server: a URI or \"host=... dbname=...\"; only temporary tables are made")
      ->required();
  command.add_option("--result", flags->result, "a file written by `case` or `run` (CSV, Parquet); without it the month is computed")
      ->check(CLI::ExistingFile);
  command.add_option("--workers", flags->workers, "threads, 0 = all")->check(CLI::NonNegativeNumber);
  command.add_option("--memory", flags->memory, "limit, e.g. 512MB")->transform(CLI::AsSizeValue(false));
  command.add_option("--mode", flags->mode, "whose NULL rules: self_hosted or trino")->check(CLI::IsMember({"self_hosted", "trino"}));
  return [flags] { return run_verify(*flags); };
}

}  // namespace ocp
