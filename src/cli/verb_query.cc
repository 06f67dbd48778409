// gristmill "select ..." and gristmill explain "select ...".

#include <fstream>
#include <sstream>

#include "base/status.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "gristmill/sql.h"

namespace gristmill::cli {
namespace {

arrow::Result<Frame> query_of(const Command& command) {
  std::string text;
  if (command.query_file.empty()) {
    text = command.operands[0];
  } else {
    std::ifstream in(command.query_file);
    if (!in) return base::io_error("cannot read the query file", command.query_file, "check the path given to -f");
    std::ostringstream all;
    all << in.rdbuf();
    text = all.str();
  }
  std::vector<std::pair<std::string, Frame>> tables;
  if (!command.format.empty()) {
    ARROW_ASSIGN_OR_RAISE(Frame input, open_inputs({"-"}, command.format));
    tables.emplace_back("stdin", std::move(input));
  }
  Frame out = sql(text, tables);
  ARROW_RETURN_NOT_OK(out.plan().status());
  return out;
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
  ARROW_ASSIGN_OR_RAISE(const Frame frame, query_of(command));
  if (command.analyze) return analyze(frame, command);
  ARROW_ASSIGN_OR_RAISE(const std::string text, frame.explain());
  write_out(text);
  return arrow::Status::OK();
}

arrow::Status run_query(const Command& command) {
  if (command.explain || command.analyze) return run_explain(command);
  ARROW_ASSIGN_OR_RAISE(const Frame frame, query_of(command));
  return print_rows(frame, command);
}

}  // namespace gristmill::cli
