// Results of windows on their way out: groups in the order they leave, finished and given on in batches.
//
//   key columns | window_start | window_end | aggregates, or what was computed of them
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "exec/aggregate_plan.h"
#include "expr/bind.h"
#include "stream/row_grouper.h"
#include "stream/stateful.h"

namespace gristmill::stream {

// What of a window's result is shown, shared by all kinds of windows.
struct WindowShape {
  column::TypePtr time;                   // of window_start and window_end; null: windows without time
  std::vector<expr::BoundPtr> outputs;    // over keys, then aggregates; empty: the aggregates as they are
  std::shared_ptr<arrow::Schema> schema;  // of what leaves
};

class WindowRows {
 public:
  WindowRows(const exec::AggregatePlan& plan, const WindowShape& shape) : plan_(plan), shape_(shape), evaluator_(plan.pool()) {}

  // All groups of a window by first appearance. Their states are finished: the tables are not good for more rows.
  arrow::Status add_window(exec::TableSet tables, int64_t start, int64_t end, Emitter& out);
  // A copy of one group, whose state may go on.
  arrow::Status add_copy(const uint8_t* row, exec::GroupTable& table, int64_t start, int64_t end, Emitter& out);
  // What waits goes out.
  arrow::Status flush(Emitter& out);
  // Copies wait in here until flush.
  int64_t waiting() const { return static_cast<int64_t>(rows_.size()); }

 private:
  const exec::AggregatePlan& plan_;
  const WindowShape& shape_;
  expr::Evaluator evaluator_;
  std::vector<const uint8_t*> rows_;
  std::vector<int64_t> starts_;
  std::vector<int64_t> ends_;
  std::vector<std::unique_ptr<exec::TableSet>> held_;
  std::unique_ptr<exec::GroupTable> copies_;
};

}  // namespace gristmill::stream
