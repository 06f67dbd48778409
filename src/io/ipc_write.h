// Writes the rows it is given, in order, to one Arrow IPC file or stream, LZ4-compressed unless told otherwise.
//
// Record batches are cut by output row count and their buffers have one byte form (row_blocks.h), so the bytes are a function of
// the rows and the options alone. The file appears under its name when it is complete (output_file.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "base/memory_budget.h"
#include "exec/operator.h"
#include "io/storage_options.h"

namespace gristmill::io {

struct IpcWriteOptions {
  int64_t batch_rows = 65536;
  std::string compression = "lz4";  // "none", "lz4", "zstd"
  bool stream = false;              // the streaming format: readable as it comes, without a footer
  StoragePtr storage = {};          // null: the environment
};

arrow::Result<std::shared_ptr<exec::OrderedSink>> write_ipc(const std::string& path, std::shared_ptr<arrow::Schema> schema,
                                                            const IpcWriteOptions& options, std::shared_ptr<base::QueryMemory> memory);

}  // namespace gristmill::io
