// gristmill-ocp case: one folder in, one file out, without any server.
//
// --timings prints the seconds of every step, and of writing, as one JSON object.

#include <CLI/CLI.hpp>

#include <chrono>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "command.h"
#include "golden_case.h"
#include "json_text.h"

namespace ocp {

namespace {

struct Flags {
  std::string folder, out;
  int workers = 0;
  int64_t memory = 0;
  std::string mode = "self_hosted";
  bool timings = false;
};

// Seconds by name, in the order of the steps.
class Timings {
 public:
  template <typename F>
  auto measure(const char* name, F&& step) {
    const auto start = std::chrono::steady_clock::now();
    auto result = step();
    seconds_.emplace_back(name, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    return result;
  }
  std::string json() const {
    JsonText out(false);
    out.begin_object();
    for (const auto& [name, seconds] : seconds_) out.member(name, seconds);
    return out.end_object().text() + "\n";
  }

 private:
  std::vector<std::pair<std::string, double>> seconds_;
};

arrow::Result<int> run_case(const Flags& flags) {
  ARROW_ASSIGN_OR_RAISE(CaseFolder job, open_case(flags.folder));
  job.month.mode = flags.mode == "trino" ? Mode::kTrino : Mode::kSelfHosted;
  gristmill::ParallelOptions options;
  options.num_workers = flags.workers;
  options.memory_limit = flags.memory;
  Timings timings;
  KeptSteps steps(options);
  const Keep hold = keep_by(steps);
  const Keep keep = [&](const char* step, const std::vector<gristmill::Frame>& rows) { return timings.measure(step, [&] { return hold(step, rows); }); };
  ARROW_ASSIGN_OR_RAISE(const Costs costs, month_costs(job.files, job.reference, job.month, keep));
  const gristmill::Frame rows = summary(costs, job.month);
  gristmill::CsvWriteOptions csv;
  csv.null_value = "\\N";
  const auto written = timings.measure("write", [&] {
    return flags.out.ends_with(".parquet") ? rows.sink_parquet(flags.out, steps.options(), {}, {}, parquet_form())
                                           : rows.sink_csv(flags.out, steps.options(), {}, {}, csv);
  });
  ARROW_RETURN_NOT_OK(written.status());
  if (flags.timings) std::cout << timings.json();
  return kDone;
}

}  // namespace

Run declare_case(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  command.add_option("folder", flags->folder, "the folder")->required()->check(CLI::ExistingDirectory);
  command.add_option("--out", flags->out, "the file to write: CSV, or Parquet by its ending")->required();
  command.add_option("--workers", flags->workers, "threads, 0 = all")->check(CLI::NonNegativeNumber);
  command.add_option("--memory", flags->memory, "limit, e.g. 512MB")->transform(CLI::AsSizeValue(false));
  command.add_flag("--timings", flags->timings, "print the seconds of each step as JSON");
  command.add_option("--mode", flags->mode, "whose NULL rules: self_hosted or trino")->check(CLI::IsMember({"self_hosted", "trino"}));
  return [flags] { return run_case(*flags); };
}

}  // namespace ocp
