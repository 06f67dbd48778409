// Window expressions: a function of the rows around each row. Partitions, order and frame, unbound and bound.
//
//   sum(x) over (partition by g order by t rows between 6 preceding and current row)
//
// A node of kind kWindow has all its expressions in `args`: the function's arguments, the partition keys, the order keys, so that
// every walk over a tree sees them. How many of each, and the frame, is in Window.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "expr/bind.h"
#include "expr/node.h"

namespace gristmill::expr {

// kDefault: with order keys from the partition's start to the row's last peer, without them the whole partition.
enum class FrameMode : uint8_t { kDefault, kRows, kRange, kGroups };
enum class FrameExclude : uint8_t { kNothing, kCurrentRow, kGroup, kTies };
enum class FrameEdge : uint8_t { kUnboundedPreceding, kPreceding, kCurrentRow, kFollowing, kUnboundedFollowing };

// Months, days and nanoseconds apart, as calendars want them.
struct FrameInterval {
  int64_t months = 0, days = 0, nanoseconds = 0;
  friend bool operator==(const FrameInterval&, const FrameInterval&) = default;
};
// "7d", "1h30m", "2mo": ns us ms s m h d w mo q y. Nothing when it is none.
std::optional<FrameInterval> parse_frame_interval(std::string_view text);

struct FrameBound {
  FrameEdge edge = FrameEdge::kUnboundedPreceding;
  std::shared_ptr<arrow::Scalar> number;  // of kPreceding and kFollowing: how many rows or groups, or a distance of values ...
  FrameInterval interval;                 // ... or, `number` null, of times
  bool open = false;                      // kRange: rows at exactly this distance are out
};

struct Frame {
  FrameMode mode = FrameMode::kDefault;
  FrameBound start{FrameEdge::kUnboundedPreceding, nullptr, {}};
  FrameBound end{FrameEdge::kCurrentRow, nullptr, {}};
  FrameExclude exclude = FrameExclude::kNothing;
};

struct WindowOrder {
  NodePtr expr;
  bool descending = false;
  bool nulls_first = false;
};

struct Window {
  int arguments = 0, partitions = 0;  // of the node's args; the rest are order keys
  std::vector<WindowOrder> order;     // without their expressions
  Frame frame;
  bool closed = false;  // over() was said: another one around it does not reach it
};

struct Over {
  std::vector<NodePtr> partition;
  std::vector<WindowOrder> order;
  std::optional<Frame> frame;
};

NodePtr window(std::string function, std::vector<NodePtr> args, std::vector<Option> options, Over over, NodePtr filter = nullptr,
               bool closed = true);
// Every aggregate in `e`, and every window function that has no over() yet, gets this one: partition keys, and order and frame
// where it has none of its own. A plan error when there is nothing to give it to.
arrow::Result<NodePtr> over(const NodePtr& e, const Over& how);
bool contains_window(const Node& n);
bool is_window_function(std::string_view name);  // not the aggregates
std::vector<std::string> window_function_names();

std::string frame_text(const Frame& frame);  // empty for the default
bool equal(const Frame& a, const Frame& b);
bool equal(const Window& a, const Window& b);

struct BoundOrder {
  BoundPtr expr;
  bool descending = false;
  bool nulls_first = false;
};

// A frame's end in the units of the rows it is counted in.
struct BoundEdge {
  FrameEdge edge = FrameEdge::kUnboundedPreceding;
  int64_t rows = 0;       // kRows, kGroups
  __int128 distance = 0;  // kRange over integers and decimals: in units of the key; over times: nanoseconds
  int64_t months = 0;     // kRange over times: before `distance`
  double real = 0;        // kRange over floats
  bool open = false;
};

struct BoundWindow {
  std::string function;
  std::vector<BoundPtr> args;  // cast to what the function takes
  BoundPtr filter;
  column::TypePtr type;
  int64_t number = 0;  // ntile: buckets; nth_value: n; lag and lead: rows back (lead: negative)
  int64_t ddof = 1;
  int64_t min_periods = 1;  // sums and extremes: fewer values that are not null give NULL
  bool ignore_nulls = false;
  std::vector<BoundPtr> partition;
  std::vector<BoundOrder> order;
  FrameMode mode = FrameMode::kRange;  // never kDefault
  BoundEdge start, end;
  FrameExclude exclude = FrameExclude::kNothing;
  bool fallible = false;                     // the function itself: a sum may leave its type
  std::shared_ptr<const UserFunction> user;  // a user's, over batches of rows in their order; no partition, order or frame
};
arrow::Result<BoundWindow> bind_window(const NodePtr& window, const arrow::Schema& input);

}  // namespace gristmill::expr
