// How wide the terminal is.
#pragma once

#include <cstdint>

namespace gristmill::cli {

// Cells of a line of the standard output; `otherwise` where that is no terminal.
int64_t terminal_columns(int64_t otherwise);

}  // namespace gristmill::cli
