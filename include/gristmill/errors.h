// Errors as a person reads them, for programs that print what the library returned.
#pragma once

#include <string>

#include <arrow/status.h>

namespace gristmill {

// Message, position (file, row, line, column, value) and what to do about it, on one line.
std::string describe_error(const arrow::Status& status);

}  // namespace gristmill
