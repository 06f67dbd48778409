// Rows as JSON objects, for records that are told rather than written: the text of an NDJSON sink, but floats that JSON has not are named.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/batch.h"
#include "io/text_sink.h"

namespace gristmill::job {

class RecordText {
 public:
  static arrow::Result<std::unique_ptr<RecordText>> make(const std::shared_ptr<arrow::Schema>& schema, arrow::MemoryPool* pool);
  // The objects of these physical rows, in their order; a text each.
  arrow::Result<std::vector<std::string>> of(const column::Batch& batch, const std::vector<int64_t>& rows) const;

 private:
  RecordText(std::shared_ptr<const io::LineEncoder> encoder, arrow::MemoryPool* pool) : encoder_(std::move(encoder)), pool_(pool) {}
  std::shared_ptr<const io::LineEncoder> encoder_;
  arrow::MemoryPool* pool_;
};

}  // namespace gristmill::job
