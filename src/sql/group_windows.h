// GROUP BY tumble(ts, interval '1 minute'): windows that the grouping asks for, not FROM.
#pragma once

#include "sql/from.h"

namespace gristmill::sqltext {

// Puts the windows under the item of FROM that has the time. Their start and end are then columns, window_start and window_end, unless a
// column is called so already; tumble_start() and tumble_end() always find them.
arrow::Status add_group_windows(const PgQuery__SelectStmt& select, FromItems& from, const ParsedText& text);

}  // namespace gristmill::sqltext
