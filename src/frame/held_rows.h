// Rows of a finished query as blocks of bytes, in memory or in a spill file: a sink that makes them, a source that reads them.
//
// Workers make the blocks side by side; the ring puts them in order. Which blocks lie on disk depends on the run, what they hold does not.
#pragma once

#include <cstdint>
#include <memory>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "exec/operator.h"
#include "plan/table_source.h"

namespace gristmill::frame {

class HeldSink : public exec::OrderedSink {
 public:
  virtual int64_t rows() const = 0;
  virtual int64_t memory_bytes() const = 0;
  virtual int64_t spilled_bytes() const = 0;
  virtual plan::TableSourcePtr source() = 0;  // once, after the run
};

// `memory_bytes` of blocks stay in memory.
std::shared_ptr<HeldSink> make_held_sink(std::shared_ptr<arrow::Schema> schema, int64_t memory_bytes);

}  // namespace gristmill::frame
