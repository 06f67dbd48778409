// generate_series and range over constants: integers, decimals, dates and timestamps.
#pragma once

#include <optional>

#include "sql/parse.h"
#include "sql/query.h"

namespace gristmill::sqltext {

// A plan of one column. `half_open`: the end is not part of it (range). Nothing when an argument is no constant.
arrow::Result<std::optional<plan::PlanPtr>> constant_series(const PgQuery__FuncCall& f, bool half_open, const ParsedText& text);

}  // namespace gristmill::sqltext
