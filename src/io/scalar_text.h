// One value of a flat column, other than text, as text files show it.
#pragma once

#include <string>

#include <arrow/array/data.h>

namespace gristmill::io {

bool has_scalar_text(const arrow::DataType& canonical);
// Row `row`, which is not null. `between` the date and the clock of timestamps; a precision of -1: the shortest text of floats.
void append_scalar_text(const arrow::ArrayData& d, int64_t row, int precision, char between, std::string& out);

}  // namespace gristmill::io
