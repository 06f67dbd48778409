// The live view as text: a pure function of what was measured and of what the terminal can do.
//
// Sections are left out from the least important one when the height does not hold them; columns likewise with the width. Never more than
// height - 1 lines nor width cells, so nothing wraps and nothing scrolls.
#pragma once

#include <string>
#include <vector>

#include "job/live/sampler.h"
#include "job/live/styled_line.h"

namespace gristmill::job {

// Lines without their ends.
std::vector<std::string> view_lines(const Sample& sample, const Look& look);

// One line for logs: "orders 0:12 running  in 14.9M rows 1.23M/s  out ...".
std::string plain_line(const Sample& sample);

}  // namespace gristmill::job
