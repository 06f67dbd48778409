// Windows of event time over tables: what they mean row by row, and which grouping they belong to.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include <arrow/result.h>

#include "plan/logical.h"
#include "sql/event_windows.h"

namespace gristmill::sqltext {

// Each row with the windows it lies in, one row a window: a column each for start and end. A row without a time lies in none, both are
// NULL. Sessions are of groups, not of rows: a plan error.
arrow::Result<plan::PlanPtr> rows_in_windows(plan::PlanPtr rows, const EventWindows& windows);

// What a grouping reads, without the windows' columns.
struct Unwindowed {
  plan::PlanPtr rows;
  const WindowedRows* windows = nullptr;
  std::string time;                              // the time's name in `rows`
  std::unordered_set<std::string> starts, ends;  // what the windows' columns are called where the grouping reads them
  std::vector<expr::NodePtr> conditions;         // of WHERE, on windows alone, over columns called as `start` and `end` of the windows
  std::string mixed;                             // a use of the windows' columns that a window cannot have; empty: none
  bool is_edge(const std::string& column) const { return starts.contains(column) || ends.contains(column); }
};
// Nothing where row-wise steps do not lead down to windows.
arrow::Result<std::optional<Unwindowed>> without_windows(const plan::PlanPtr& input);

// The keys of a grouping that are not the windows' start or end.
struct WindowGrouping {
  std::vector<plan::NamedExpr> keys;
  bool by_window = false;  // some key is start or end
  std::string mixed;       // as in Unwindowed: a key or an aggregate computed from start or end
};
WindowGrouping window_grouping(const plan::Plan& aggregate, const Unwindowed& below);

// The grouping `aggregate` by session, its input being `below.rows` brought to `rows`.
arrow::Result<plan::PlanPtr> group_by_sessions(const plan::Plan& aggregate, const Unwindowed& below, const WindowGrouping& grouping,
                                               plan::PlanPtr rows);

}  // namespace gristmill::sqltext
