// Reads a statement, runs it, prints what it gave or what was wrong, and reads the next. Ctrl-C stops what runs, not the shell.

#include "cli/shell.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "base/status.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/line_editor.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/shell_commands.h"
#include "cli/signals.h"
#include "sql/scope.h"
#include "sql/tokens.h"

namespace gristmill::cli {
namespace {

using Clock = std::chrono::steady_clock;

std::string time_text(Clock::duration d) {
  const double ms = std::chrono::duration<double, std::milli>(d).count();
  char out[64];
  if (ms < 1000) {
    std::snprintf(out, sizeof out, "%.1f ms", ms);
  } else {
    std::snprintf(out, sizeof out, "%.2f s", ms / 1000);
  }
  return out;
}

void say(const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }

// What other shells call their commands; empty: none of them.
std::string bare_command(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\n");
  if (first == std::string::npos) return {};
  const std::string word = text.substr(first, text.find_last_not_of(" \t\n;") + 1 - first);
  for (const char* known : {"quit", "exit", "help"}) {
    if (sqltext::equal_ignoring_case(word, known)) return std::string(".") + known;
  }
  if (word == "\\q") return ".quit";
  return word == "\\d" ? ".tables" : word == "\\?" ? ".help" : "";
}

// A command is one line; a statement ends with a semicolon.
bool is_whole(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\n");
  if (first == std::string::npos || text[first] == '.' || !bare_command(text).empty()) return true;
  const auto tokens = sqltext::split_tokens(text);
  return tokens.empty() || sqltext::is_mark(tokens.back(), ";");
}

}  // namespace

arrow::Status run_statements(ShellState& shell, const std::string& text) {
  auto begin = Clock::now();
  const auto print = [&](const Outcome& outcome) -> arrow::Status {
    Command now = shell.command;
    now.options = shell.session.options();
    ARROW_RETURN_NOT_OK(print_outcome(outcome, now));
    std::string done;
    if (!outcome.rows) done = outcome.command + (outcome.changed >= 0 ? " " + std::to_string(outcome.changed) : "");
    if (shell.timer) done += (done.empty() ? "" : "  ") + ("(" + time_text(Clock::now() - begin) + ")");
    if (!done.empty()) say(done);
    begin = Clock::now();
    return arrow::Status::OK();
  };
  return shell.session.run(text, print);
}

bool at_terminal() { return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO); }

arrow::Status run_shell(const Command& command) {
  ShellState shell;
  shell.command = command;
  shell.command.in_shell = true;
  shell.session.set_options(command.options);
  History history(History::default_file());
  LineEditor editor({"gristmill> ", "      ...> ", is_whole,
                     [&](const std::string& text, size_t cursor) { return complete_statement(shell.session, text, cursor); }},
                    history);
  keep_shell_on_interrupt();
  const std::string version = version_text();
  say(version.substr(0, version.find('\n')) + ". A statement ends with ;  .help lists commands, Ctrl-D leaves.");
  while (!shell.leave) {
    std::string text;
    const LineEditor::Answer answer = editor.read(text);
    if (answer == LineEditor::Answer::kEnd) break;
    if (answer == LineEditor::Answer::kInterrupted) continue;
    if (text.find_first_not_of(" \t\n") == std::string::npos) continue;
    forget_signal();
    if (const std::string bare = bare_command(text); !bare.empty()) text = bare;
    const size_t first = text.find_first_not_of(" \t\n");
    const arrow::Status done = text[first] == '.' ? run_shell_command(shell, text.substr(first)) : run_statements(shell, text);
    hide_progress();
    if (!done.ok()) say(caught_signal() != 0 ? "interrupted" : base::describe_error(done));
    forget_signal();
  }
  return arrow::Status::OK();
}

}  // namespace gristmill::cli
