// gristmill "select ...", gristmill -f FILE and gristmill explain "select ...". The statements of a text share one session.

#include <fstream>
#include <sstream>

#include "base/status.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/shell.h"
#include "gristmill/session.h"

namespace gristmill::cli {
namespace {

arrow::Result<std::string> text_of(const Command& command) {
  if (command.query_file.empty()) return command.operands[0];
  std::ifstream in(command.query_file);
  if (!in) return base::io_error("cannot read the query file", command.query_file, "check the path given to -f");
  std::ostringstream all;
  all << in.rdbuf();
  return all.str();
}

arrow::Result<SqlInput> input_of(const Command& command) {
  SqlInput input;
  if (!command.format.empty()) {
    ARROW_ASSIGN_OR_RAISE(Frame frame, open_inputs({"-"}, command.format));
    input.tables.emplace_back("stdin", std::move(frame));
  }
  return input;
}

arrow::Status analyze(const Frame& frame, const Command& command) {
  std::string text;
  ARROW_RETURN_NOT_OK(run_with_progress(frame, command, [&](const Frame& f) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(text, f.explain_analyze(command.options));
    return arrow::Status::OK();
  }));
  write_out(text);
  return arrow::Status::OK();
}

}  // namespace

arrow::Status run_explain(const Command& command) {
  ARROW_ASSIGN_OR_RAISE(const std::string text, text_of(command));
  ARROW_ASSIGN_OR_RAISE(const SqlInput input, input_of(command));
  const Frame frame = Session().sql(text, input);
  ARROW_RETURN_NOT_OK(frame.plan().status());
  if (command.analyze) return analyze(frame, command);
  ARROW_ASSIGN_OR_RAISE(const std::string plan, frame.explain());
  write_out(plan);
  return arrow::Status::OK();
}

arrow::Status print_outcome(const Outcome& outcome, const Command& command) {
  if (!outcome.rows) return arrow::Status::OK();
  if (outcome.command != "EXPLAIN") return print_rows(*outcome.rows, command);
  ARROW_ASSIGN_OR_RAISE(const std::string lines, one_column_text(*outcome.rows));
  write_out(lines);
  return arrow::Status::OK();
}

arrow::Status run_query(const Command& command) {
  if (command.operands.empty() && command.query_file.empty()) return run_shell(command);
  if (command.explain || command.analyze) return run_explain(command);
  ARROW_ASSIGN_OR_RAISE(const std::string text, text_of(command));
  ARROW_ASSIGN_OR_RAISE(const SqlInput input, input_of(command));
  Session session;
  session.set_options(command.options);
  const auto print = [&](const Outcome& outcome) {
    Command now = command;
    now.options = session.options();
    return print_outcome(outcome, now);
  };
  return session.run(text, print, input);
}

}  // namespace gristmill::cli
