// Whole numbers as a table: start, start + step, ..., made as they are asked for.
#pragma once

#include <cstdint>
#include <string>

#include <arrow/result.h>

#include "io/json.h"
#include "plan/table_source.h"

namespace gristmill::io {

// `count` rows of an int64 column. A plan error when the last number is not one of int64.
arrow::Result<plan::TableSourcePtr> scan_range(int64_t start, int64_t step, int64_t count, std::string column);
arrow::Result<plan::TableSourcePtr> make_range(const JsonReader& json);

}  // namespace gristmill::io
