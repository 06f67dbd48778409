// Operators with little state that work over endless sources too: limit, reduce, the union of streams.
#pragma once

#include <memory>

#include "stream/steps.h"

namespace gristmill::stream {

// The first rows, then the stream ends.
StatefulSpec limit_spec(std::shared_ptr<arrow::Schema> schema, int64_t rows);
// One row set of `function`, which leaves at the end.
using ReduceFunction = std::function<arrow::Result<RecordBatchPtr>(RecordBatchPtr state, RecordBatchPtr batch)>;
StatefulSpec reduce_spec(std::shared_ptr<arrow::Schema> input, std::shared_ptr<arrow::Schema> schema, ReduceFunction function);
// The rows of all inputs as they come.
StatefulSpec merge_spec(std::shared_ptr<arrow::Schema> schema, int inputs);
// One row of those that are equal in `columns`, the first.
StatefulSpec distinct_spec(std::shared_ptr<arrow::Schema> schema, std::vector<int> columns);

}  // namespace gristmill::stream
