// What waits for a store more than it works, for each of many files: several at a time.
#pragma once

#include <cstddef>
#include <functional>

#include <arrow/status.h>

namespace ocp {

// work(0) .. work(n - 1), begun in this order, by several threads; the error of the first that failed, behind which no others begin.
arrow::Status at_once(size_t n, const std::function<arrow::Status(size_t)>& work);

}  // namespace ocp
