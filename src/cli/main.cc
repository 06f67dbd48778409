// The `gristmill` command. Data goes to stdout, everything else to stderr; a reader that went away is success.

#include <arrow/compute/initialize.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/settings.h"
#include "base/status.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/sibling.h"
#include "cli/signals.h"
#include "frame/query_runner.h"

namespace {

using namespace gristmill;

constexpr int kFailed = 1, kUsage = 2, kDiffers = 3;

// What the file or the command line of a verb has wrong, rather than a run.
bool is_usage(const cli::Command& command, const arrow::Status& s) {
  switch (command.verb->id) {
    case cli::VerbId::kHelp:
    case cli::VerbId::kCompletions: return true;
    case cli::VerbId::kRun:
    case cli::VerbId::kRetry:
    case cli::VerbId::kValidate:
    case cli::VerbId::kCheckpoint:
    case cli::VerbId::kTest: return base::error_kind(s) == base::ErrorKind::kPlan;
    default: return false;
  }
}

int fail(const arrow::Status& s, int code) {
  cli::hide_progress();
  if (const int number = cli::caught_signal(); number != 0) {
    std::fprintf(stderr, "gristmill: interrupted\n");
    return 128 + number;
  }
  std::fprintf(stderr, "gristmill: %s\n", base::describe_error(s).c_str());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && cli::find_verb(argv[1]) == nullptr) cli::run_sibling(argv[1], argv + 1);
  cli::catch_signals();
  const auto command = cli::parse(std::vector<std::string>(argv + 1, argv + argc));
  if (!command.ok()) return fail(command.status(), kUsage);
  if (command->version) return cli::write_out(cli::version_text()) ? 0 : kFailed;
  if (command->help) return cli::write_out(*command->verb->name ? cli::verb_help(*command->verb) : cli::help_text()) ? 0 : kFailed;
  if (auto s = base::check_settings(); !s.ok()) return fail(s, kUsage);
  if (auto s = arrow::compute::Initialize(); !s.ok()) return fail(s, kFailed);
  QueryRunner::set_interrupt(cli::interrupted);
  if (auto s = command->verb->run(*command); !s.ok()) {
    return fail(s, cli::is_difference(s) ? kDiffers : is_usage(*command, s) ? kUsage : kFailed);
  }
  return cli::caught_signal() != 0 ? 128 + cli::caught_signal() : 0;
}
