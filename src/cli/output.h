// Results to the standard output, in the form that was asked for. A reader that went away is success.
#pragma once

#include <string>

#include <arrow/status.h>

#include "cli/command.h"
#include "gristmill/frame.h"

namespace gristmill::cli {

// False when nobody reads any more.
bool write_out(const std::string& text);

// Runs the frame. CSV, JSON and Markdown stream; a table shows the first rows.
arrow::Status print_rows(const Frame& frame, const Command& command);

}  // namespace gristmill::cli
