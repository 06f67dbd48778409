// Calls of Arrow's compute kernels: prepared once, always on the calling thread.
#pragma once

#include <string>
#include <vector>

#include <arrow/compute/type_fwd.h>
#include <arrow/datum.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

namespace gristmill::expr {

arrow::Result<arrow::Datum> call_arrow(const std::string& function, const std::vector<arrow::Datum>& args,
                                       const arrow::compute::FunctionOptions* options, arrow::MemoryPool* pool);

}  // namespace gristmill::expr
