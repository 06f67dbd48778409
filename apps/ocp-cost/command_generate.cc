// gristmill-ocp generate: usage of a cluster that is not there.

#include <CLI/CLI.hpp>

#include <iostream>
#include <memory>

#include "command.h"
#include "generate.h"

namespace ocp {

namespace {

struct Flags {
  GenerateOptions options;
  std::string rows, month = "2025-10", shape = "day", layout = "case", form = "parquet";
  int workers = 0;
  int64_t memory = 0;
};

// "2M" and "20k" beside plain numbers.
arrow::Result<int64_t> parse_rows(const std::string& text) {
  if (text.empty()) return 0;
  size_t used = 0;
  double number = -1;
  try {
    number = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  const std::string unit = text.substr(used);
  const double factor = unit.empty() ? 1 : unit == "k" ? 1e3 : unit == "M" ? 1e6 : 0;
  if (used == 0 || factor == 0 || !(number * factor >= 1 && number * factor <= 1e12))
    return arrow::Status::Invalid("--rows ", text, " is no number of rows; write it as 20000, 20k or 2.5M");
  return static_cast<int64_t>(number * factor);
}

arrow::Status parse_month(const std::string& text, GenerateOptions& o) {
  ARROW_ASSIGN_OR_RAISE(const int32_t day, parse_day(text + "-01"));
  const std::string back = day_text(day);
  o.year = std::stoi(back.substr(0, 4));
  o.month = std::stoi(back.substr(5, 2));
  return arrow::Status::OK();
}

arrow::Result<int> run_generate(Flags& flags) {
  GenerateOptions& o = flags.options;
  ARROW_ASSIGN_OR_RAISE(o.rows, parse_rows(flags.rows));
  ARROW_RETURN_NOT_OK(parse_month(flags.month, o));
  o.shape = flags.shape == "day" ? Shape::kDay : Shape::kMonth;
  o.layout = flags.layout == "case" ? Layout::kCase : flags.layout == "production" ? Layout::kProduction : Layout::kOperator;
  o.form = flags.form == "parquet" ? Form::kParquet : flags.form == "csv" ? Form::kCsv : Form::kTarGz;
  gristmill::ParallelOptions run;
  run.num_workers = flags.workers;
  run.memory_limit = flags.memory;
  ARROW_ASSIGN_OR_RAISE(const Generated made, generate(o, run));
  std::cout << made.pod_rows << " pod rows, " << made.storage_rows << " storage rows in " << made.files << " files: " << made.pods
            << " pods and " << made.volumes << " volumes on " << made.nodes << " nodes in " << made.namespaces << " namespaces, "
            << day_text(made.month.first_day) << " to " << day_text(made.month.last_day) << "\n";
  return kDone;
}

}  // namespace

Run declare_generate(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  GenerateOptions& o = flags->options;
  command.add_option("--out", o.out, "the folder to make")->required();
  command.add_option("--shape", flags->shape, "day: 24 rows a pod, each pod its own labels; month: a realistic month")
      ->check(CLI::IsMember({"day", "month"}));
  command.add_option("--rows", flags->rows, "pod rows, nearly: 20k, 2M; sets the number of nodes");
  command.add_option("--nodes", o.nodes, "nodes")->check(CLI::PositiveNumber);
  command.add_option("--namespaces", o.namespaces, "namespaces")->check(CLI::PositiveNumber);
  command.add_option("--pods-per-node", o.pods_per_node, "day: on each; month: on average")->check(CLI::PositiveNumber);
  command.add_option("--volumes", o.volumes, "volume claims a pod; 0.2 in a month, none in a day")->check(CLI::Range(0.0, 1.0));
  command.add_option("--month", flags->month, "such as 2025-10");
  command.add_option("--days", o.days, "so many from the first on; one, or the whole month")->check(CLI::PositiveNumber);
  command.add_option("--files", o.files, "of each kind; one a day")->check(CLI::PositiveNumber);
  command.add_option("--seed", o.seed, "same seed, same bytes");
  command.add_flag("--daily", o.daily, "daily files beside the hourly ones");
  command.add_option("--layout", flags->layout, "case: as `case` and `verify` take it; production, operator: object layouts")
      ->check(CLI::IsMember({"case", "production", "operator"}));
  command.add_option("--form", flags->form, "parquet, or the operator's csv or tar.gz payloads")
      ->check(CLI::IsMember({"parquet", "csv", "tar.gz"}));
  command.add_option("--account", o.account, "account or organisation in the paths");
  command.add_option("--workers", flags->workers, "threads, 0 = all")->check(CLI::NonNegativeNumber);
  command.add_option("--memory", flags->memory, "limit, e.g. 512MB")->transform(CLI::AsSizeValue(false));
  return [flags] { return run_generate(*flags); };
}

}  // namespace ocp
