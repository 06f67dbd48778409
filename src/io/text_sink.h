// The sink behind text formats: rows to text on every worker, text to the file in order.
//
// Whoever produced a morsel encodes its rows (stage). Where the file is compressed its text is cut into slices of a fixed size, each of
// which becomes a frame of its own, compressed by whoever comes first; so the bytes are a function of the rows and the options alone.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <arrow/buffer_builder.h>
#include <arrow/result.h>

#include "base/memory_budget.h"
#include "exec/operator.h"
#include "io/storage_options.h"

namespace gristmill::io {

// Immutable; several workers encode at once.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  virtual std::string head() const { return {}; }  // before the first row
  // Appends the rows of a dense batch of flat columns.
  virtual arrow::Status encode(const column::Batch& batch, arrow::BufferBuilder& out) const = 0;
};

// One that also gives rows by themselves.
class LineEncoder : public TextEncoder {
 public:
  using TextEncoder::encode;
  arrow::Status encode(const column::Batch& batch, arrow::BufferBuilder& out) const override;
  // Appends rows [first, first + n).
  virtual arrow::Status encode(const column::Batch& batch, int64_t first, int64_t n, std::string& out) const = 0;
};

// Compression: "infer" by the ending of the path, "none", "gzip", "zstd", "lz4", "bz2".
arrow::Result<std::shared_ptr<exec::OrderedSink>> text_sink(std::string format, const std::string& path, const std::string& compression,
                                                            std::optional<int> level, std::shared_ptr<const TextEncoder> encoder,
                                                            std::shared_ptr<base::QueryMemory> memory, const StoragePtr& storage = {});

}  // namespace gristmill::io
