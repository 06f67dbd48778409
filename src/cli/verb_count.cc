// gristmill count FILE...: one number, bare unless a format is asked for.

#include <arrow/scalar.h>
#include <arrow/table.h>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/progress.h"

namespace gristmill::cli {

arrow::Status run_count(const Command& command) {
  ARROW_ASSIGN_OR_RAISE(const Frame frame, open_inputs(command.operands, command.format));
  const Frame counted = frame.select({count().alias("rows")});
  if (command.output != Output::kTable) return print_rows(counted, command);
  ARROW_ASSIGN_OR_RAISE(const Table result, run_with_progress(counted, command));
  ARROW_ASSIGN_OR_RAISE(const auto table, result.arrow());
  ARROW_ASSIGN_OR_RAISE(const auto value, table->column(0)->GetScalar(0));
  write_out(value->ToString() + "\n");
  return arrow::Status::OK();
}

}  // namespace gristmill::cli
