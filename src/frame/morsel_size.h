// Rows of a morsel from what the caller asked for. Never changes a result.
#pragma once

#include <cstdint>

#include "gristmill/options.h"
#include "plan/logical.h"

namespace gristmill {

// 0 = the source chooses.
int64_t morsel_rows(const plan::Plan& plan, const ParallelOptions& options);

}  // namespace gristmill
