// What the parts of one window operator share; window.cc tells the way.
//
// Invariant: once the columns are settled nobody changes them; the pieces of a phase write disjoint rows of marks and results.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "exec/sort_state.h"
#include "exec/window_columns.h"
#include "exec/window_layout.h"
#include "exec/window_result.h"
#include "exec/window_unit.h"

namespace gristmill::exec {

struct WindowState {
  WindowLayout layout;
  QueryContext context;
  std::shared_ptr<SortState> input;     // rows as they come; sorted by the first ordering when they go to disk
  WindowColumns columns;                // those rows, in memory only
  std::vector<WindowResult> results;    // by task, in memory only
  std::mutex mutex;                     // failures
  std::vector<arrow::Status> failures;  // by task: the values of some row are no values

  bool spilled() const { return input->spilled(); }
  const column::Batch& rows() const { return columns.joined(); }  // without the columns that lie in pieces
  // A function's error is kept: which one the query reports does not depend on how rows were cut.
  arrow::Status note(size_t task, arrow::Status status);
  arrow::Status first_failure(size_t ordering);
};

struct NumberedPartitions;  // window_totals.h
struct WindowStretch;       // window_stretch.h

// The order of the rows for one ordering, and its units; lives from its first phase to the end of its computing.
struct OrderingState {
  std::shared_ptr<WindowState> window;
  size_t number = 0;
  std::shared_ptr<SortState> sort;
  std::shared_ptr<NumberedPartitions> numbered;  // there: rows need no order, their partitions have totals
  std::shared_ptr<arrow::Buffer> rows, marks;
  OrderedRows ordered;
  int partition_shift = -1;              // >= 0: prefixes shifted so are equal just within a partition
  std::vector<WindowUnit> whole, split;  // for functions that look anywhere in a partition, and for those that do not
  std::vector<WindowStretch> stretches;  // of large partitions, and the other units: for functions that take stretches
  std::vector<WindowUnit> unstretched;
  OrderingState();
  ~OrderingState();
  const WindowOrdering& ordering() const { return window->layout.orderings[number]; }
};

// Phases that put the rows in order and cut the units; none has pieces when the rows went to disk.
std::vector<std::shared_ptr<Phase>> make_window_order_phases(const std::shared_ptr<OrderingState>& state);
// Units of the positions from `from` on, which begins a partition.
void cut_units(const OrderedRows& ordered, int64_t from, std::vector<WindowUnit>& whole, std::vector<WindowUnit>& split);
// Marks position i from the columns alone.
uint8_t mark_of(const WindowOrdering& ordering, const column::Batch& rows, int64_t before, int64_t row);

}  // namespace gristmill::exec
