// The rows of a frame on their way into a file or a folder of files: the plan to run, and the sink to run it into.
//
// Frames write files by this, and so does whoever puts something of its own between the plan and the sink.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <arrow/result.h>

#include "base/memory_budget.h"
#include "exec/operator.h"
#include "gristmill/frame.h"
#include "plan/logical.h"

namespace gristmill::frame {

struct FileWriter {
  plan::PlanPtr plan;  // the frame's; sorted where partitions need it
  std::function<arrow::Result<std::shared_ptr<exec::OrderedSink>>(std::shared_ptr<base::QueryMemory> memory)> open;  // once
};

// Options that cannot be are errors here; nothing is written before open().
arrow::Result<FileWriter> parquet_writer(const Frame& frame, const std::string& path, const SinkOptions& files,
                                         const ParquetSinkOptions& parquet);
arrow::Result<FileWriter> ipc_writer(const Frame& frame, const std::string& path, const SinkOptions& files, const IpcSinkOptions& ipc);
arrow::Result<FileWriter> csv_writer(const Frame& frame, const std::string& path, const SinkOptions& files, const CsvWriteOptions& text);
arrow::Result<FileWriter> ndjson_writer(const Frame& frame, const std::string& path, const SinkOptions& files,
                                        const NdjsonWriteOptions& text);

}  // namespace gristmill::frame
