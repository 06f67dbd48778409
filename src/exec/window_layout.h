// What a window node computes, over which columns, in which orders of rows.
//
// Every expression (argument, filter, partition or order key) is a column of the rows the operator holds: an input column, or one
// computed behind them. Functions with the same partition and order keys share one ordering, so rows are sorted once for all of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "column/key_encoding.h"
#include "expr/window.h"

namespace gristmill::exec {

struct WindowOrdering {
  std::vector<int> partition, order;        // columns
  std::vector<column::SortKey> directions;  // of `order`
  bool trivial() const { return partition.empty() && order.empty(); }
};

struct WindowTask {
  expr::BoundWindow function;
  std::vector<int> args;  // columns
  int filter = -1;
  int range_key = -1;  // the one order key, where distances are measured
  size_t ordering = 0;
  bool all_peers = false;  // the function has no order of its own: every row of the partition is a peer
};

struct WindowLayout {
  std::vector<column::TypePtr> types;  // input columns, then computed ones
  size_t inputs = 0;                   // how many are the input's
  std::vector<expr::BoundPtr> computed;
  std::vector<WindowOrdering> orderings;
  std::vector<WindowTask> tasks;
};

// Whether a function has the same value for all rows of a partition, in whatever order they come.
bool is_blind(const WindowTask& task);

WindowLayout window_layout(std::vector<column::TypePtr> input_types, std::vector<expr::BoundWindow> functions);

}  // namespace gristmill::exec
