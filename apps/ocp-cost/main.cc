// gristmill-ocp: the cost summary of OpenShift usage.
//
// Data goes to stdout or the file asked for, everything else to stderr.

#include <CLI/CLI.hpp>

#include <iostream>
#include <string>
#include <vector>

#include <arrow/compute/initialize.h>

#include "command.h"

namespace {

constexpr ocp::Subcommand kSubcommands[] = {
    {"run", "Computes the months of one or several clusters and writes them", ocp::declare_run},
    {"inspect", "Says what a month's input holds", ocp::declare_inspect},
    {"case", "Runs one folder of job.json, input files and reference tables into one file", ocp::declare_case},
    {"generate", "Makes the usage of a month that is not there: a day of any number of rows, or a realistic month", ocp::declare_generate},
    {"verify", "Computes a month by SQL in PostgreSQL as well and compares the rows", ocp::declare_verify},
};

}  // namespace

int main(int argc, char** argv) {
  if (!arrow::compute::Initialize().ok()) return ocp::kFailed;
  CLI::App app{"The cost summary of OpenShift usage: Parquet in, one table out.", "gristmill-ocp"};
  app.require_subcommand(1);
  std::vector<std::pair<CLI::App*, ocp::Run>> commands;
  for (const ocp::Subcommand& s : kSubcommands) {
    CLI::App* command = app.add_subcommand(s.name, s.summary);
    commands.emplace_back(command, s.declare(*command));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ocp::kDone : ocp::kUsage;
  }
  for (const auto& [command, run] : commands) {
    if (!command->parsed()) continue;
    const arrow::Result<int> code = run();
    if (code.ok()) return *code;
    std::cerr << "gristmill-ocp: " << ocp::error_text(code.status()) << "\n";
  }
  return ocp::kFailed;
}
