#include "expr/arrow_call.h"

#include <arrow/compute/exec.h>
#include <arrow/compute/initialize.h>

namespace gristmill::expr {

arrow::Result<arrow::Datum> call_arrow(const std::string& function, const std::vector<arrow::Datum>& args,
                                       const arrow::compute::FunctionOptions* options, arrow::MemoryPool* pool) {
  static const arrow::Status ready = arrow::compute::Initialize();
  ARROW_RETURN_NOT_OK(ready);
  arrow::compute::ExecContext context(pool);
  context.set_use_threads(false);
  return arrow::compute::CallFunction(function, args, options, &context);
}

}  // namespace gristmill::expr
