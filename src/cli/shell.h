// The interactive shell: statements and commands typed at a terminal, one session for all of them.
#pragma once

#include <arrow/status.h>

#include "cli/command.h"

namespace gristmill::cli {

// Whether somebody sits at both ends.
bool at_terminal();
arrow::Status run_shell(const Command& command);

}  // namespace gristmill::cli
