// The one table of flags: parsing, help and (later) completions come from it.
#pragma once

#include <string>
#include <vector>

#include <arrow/result.h>

#include "gristmill/options.h"

namespace gristmill::cli {

enum class Output { kTable, kCsv, kJson };

struct Command {
  std::string query;  // SQL text, from the command line or a file
  Output output = Output::kTable;
  bool explain = false;
  bool analyze = false;
  bool help = false;
  bool version = false;
  ParallelOptions options;
};

// A plan error for what cannot be understood (exit code 2).
arrow::Result<Command> parse(const std::vector<std::string>& arguments);
std::string help_text();

}  // namespace gristmill::cli
