// What the operands of a verb name, as a frame: files, patterns, addresses, "-" for the standard input.
#pragma once

#include <string>
#include <vector>

#include <arrow/result.h>

#include "gristmill/frame.h"

namespace gristmill::cli {

// `format` empty: by the (first) name. Several operands are one frame, in their order.
arrow::Result<Frame> open_inputs(const std::vector<std::string>& operands, const std::string& format);

}  // namespace gristmill::cli
