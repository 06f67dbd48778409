// Results to the standard output, in the form that was asked for. A reader that went away is success.
#pragma once

#include <string>

#include <arrow/result.h>

#include "cli/command.h"
#include "gristmill/frame.h"
#include "gristmill/session.h"

namespace gristmill::cli {

// False when nobody reads any more.
bool write_out(const std::string& text);

// The rows of a frame of one text column, a line each.
arrow::Result<std::string> one_column_text(const Frame& frame);

// What a statement gave: rows as above, a plan as lines.
arrow::Status print_outcome(const Outcome& outcome, const Command& command);

// Runs the frame. CSV, JSON and Markdown stream; a table shows the first rows.
arrow::Status print_rows(const Frame& frame, const Command& command);

}  // namespace gristmill::cli
