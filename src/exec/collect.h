// Ordered sinks that keep or hand on what a query produced.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <arrow/type_fwd.h>

#include "exec/operator.h"

namespace gristmill::exec {

// Rows in order as record batches of `schema` (border types; made by the worker that produced the rows). Neighbouring slices of one buffer
// stay one slice: a passed-through column is not copied.
class CollectSink : public OrderedSink {
 public:
  virtual std::vector<std::shared_ptr<arrow::RecordBatch>> take() = 0;
};
std::shared_ptr<CollectSink> make_collect_sink(std::shared_ptr<arrow::Schema> schema);

// Gives each batch to `each` in order, on whichever worker flushes; an error stops the query.
std::shared_ptr<OrderedSink> make_callback_sink(std::shared_ptr<arrow::Schema> schema,
                                                std::function<arrow::Status(std::shared_ptr<arrow::RecordBatch>)> each);

// Keeps batches as they are, in order, and is then the source of another pipeline (a limit in the middle of a plan).
class BufferSink : public OrderedSink {
 public:
  virtual std::shared_ptr<Source> source() = 0;
};
std::shared_ptr<BufferSink> make_buffer_sink();

// Passes everything on and counts the rows that were taken.
class CountingSink : public OrderedSink {
 public:
  virtual int64_t rows() const = 0;
};
std::shared_ptr<CountingSink> make_counting_sink(std::shared_ptr<OrderedSink> inner);

// The batches of one morsel as one dense batch (rows may exceed kMaxBatchRows; for sinks only).
arrow::Result<column::Batch> join_batches(std::vector<column::Batch> batches, arrow::MemoryPool* pool);

}  // namespace gristmill::exec
