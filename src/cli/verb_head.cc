// gristmill head FILE...

#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"

namespace gristmill::cli {

arrow::Status run_head(const Command& command) {
  constexpr int64_t kRows = 10;
  ARROW_ASSIGN_OR_RAISE(const Frame frame, open_inputs(command.operands, command.format));
  Command limited = command;
  if (limited.limit < 0) limited.limit = kRows;
  return print_rows(frame, limited);
}

}  // namespace gristmill::cli
