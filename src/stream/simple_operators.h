// Operators with little state that work over endless sources too: limit, reduce, the union of streams.
#pragma once

#include <memory>
#include <vector>

#include "stream/steps.h"
#include "stream/window_spec.h"

namespace gristmill::stream {

// The first rows, then the stream ends.
StatefulSpec limit_spec(std::shared_ptr<arrow::Schema> schema, int64_t rows);
// One row set of `function`, which leaves at the end.
using ReduceFunction = std::function<arrow::Result<RecordBatchPtr>(RecordBatchPtr state, RecordBatchPtr batch)>;
StatefulSpec reduce_spec(std::shared_ptr<arrow::Schema> input, std::shared_ptr<arrow::Schema> schema, ReduceFunction function);
// The rows of all inputs as they come. `times`: of each input, all over one column of the schema; how far event time has come is the least
// of theirs. Empty: nothing is known of it.
arrow::Result<StatefulSpec> merge_spec(std::shared_ptr<arrow::Schema> schema, int inputs, const std::vector<EventTime>& times = {});
// One row of those that are equal in `columns`, the first.
StatefulSpec distinct_spec(std::shared_ptr<arrow::Schema> schema, std::vector<int> columns);

}  // namespace gristmill::stream
