// The shell's own commands, which begin with a point.
#pragma once

#include <string>

#include "cli/command.h"
#include "cli/line_editor.h"
#include "gristmill/session.h"

namespace gristmill::cli {

struct ShellState {
  Session session;
  Command command;  // output mode, limit, flags of the command line
  bool timer = true;
  bool leave = false;
};

// One line, the point included.
arrow::Status run_shell_command(ShellState& shell, const std::string& line);
// The statements of a text: rows and errors are printed, the time of each with them.
arrow::Status run_statements(ShellState& shell, const std::string& text);
Completion complete_command(const Session& session, const std::string& text, size_t cursor);

}  // namespace gristmill::cli
