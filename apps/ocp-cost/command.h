// The subcommands of gristmill-ocp: a table in main.cc, one file each.
//
// A subcommand declares its flags on the parser and gives what runs once they are read. Exit codes: 0 done, 1 failed, 2 wrong usage or
// configuration, 3 a verification differs.
#pragma once

#include <functional>
#include <string>

#include <arrow/result.h>
#include <arrow/status.h>

namespace CLI {
class App;
}

namespace ocp {

inline constexpr int kDone = 0, kFailed = 1, kUsage = 2, kDiffers = 3;

// Gives the exit code; an error is printed and is kFailed.
using Run = std::function<arrow::Result<int>()>;

struct Subcommand {
  const char* name;
  const char* summary;
  Run (*declare)(CLI::App& command);
};

Run declare_case(CLI::App& command);
Run declare_generate(CLI::App& command);
Run declare_inspect(CLI::App& command);
Run declare_run(CLI::App& command);
Run declare_verify(CLI::App& command);

// Message, position and hint on one line.
std::string error_text(const arrow::Status& status);

}  // namespace ocp
