// Formats are told by io's table of endings; here is only what a command line adds to it.

#include "cli/input.h"

#include <algorithm>

#include "base/status.h"
#include "io/resolve.h"
#include "plan/logical.h"

namespace gristmill::cli {

arrow::Result<Frame> open_inputs(const std::vector<std::string>& operands, const std::string& format) {
  const bool standard = std::find(operands.begin(), operands.end(), "-") != operands.end();
  if (standard && format.empty()) {
    return base::plan_error("the standard input has no name that tells its format", "say --format csv, ndjson, parquet or ipc");
  }
  if (standard && std::count(operands.begin(), operands.end(), "-") > 1)
    return base::plan_error("the standard input can be read only once");
  auto source = format.empty() ? io::scan_files(operands) : io::scan_files_as(format, operands);
  ARROW_RETURN_NOT_OK(source.status());
  Frame out(plan::make_scan(std::move(*source)));
  ARROW_RETURN_NOT_OK(out.plan().status());
  return out;
}

}  // namespace gristmill::cli
