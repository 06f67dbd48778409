// gristmill-ocp case: one folder in, one file out, without any server.

#include <CLI/CLI.hpp>

#include <memory>

#include "command.h"
#include "golden_case.h"

namespace ocp {

namespace {

struct Flags {
  std::string folder, out;
  int workers = 0;
  int64_t memory = 0;
  std::string mode = "self_hosted";
};

arrow::Result<int> run_case(const Flags& flags) {
  ARROW_ASSIGN_OR_RAISE(CaseFolder job, open_case(flags.folder));
  job.month.mode = flags.mode == "trino" ? Mode::kTrino : Mode::kSelfHosted;
  gristmill::ParallelOptions options;
  options.num_workers = flags.workers;
  options.memory_limit = flags.memory;
  ARROW_ASSIGN_OR_RAISE(gristmill::Frame rows, month_summary(job.files, job.reference, job.month, options));
  if (flags.out.ends_with(".parquet")) {
    ARROW_RETURN_NOT_OK(rows.sink_parquet(flags.out, options).status());
    return kDone;
  }
  gristmill::CsvWriteOptions csv;
  csv.null_value = "\\N";
  ARROW_RETURN_NOT_OK(rows.sink_csv(flags.out, options, {}, {}, csv).status());
  return kDone;
}

}  // namespace

Run declare_case(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  command.add_option("folder", flags->folder, "the folder")->required()->check(CLI::ExistingDirectory);
  command.add_option("--out", flags->out, "the file to write: CSV, or Parquet by its ending")->required();
  command.add_option("--workers", flags->workers, "threads, 0 = all")->check(CLI::NonNegativeNumber);
  command.add_option("--memory", flags->memory, "limit, e.g. 512MB")->transform(CLI::AsSizeValue(false));
  command.add_option("--mode", flags->mode, "whose NULL rules: self_hosted or trino")->check(CLI::IsMember({"self_hosted", "trino"}));
  return [flags] { return run_case(*flags); };
}

}  // namespace ocp
