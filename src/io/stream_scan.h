// A scan over record batches that come one after another from somewhere: a CSV parser, an IPC stream, a Python iterable.
//
// How many there will be is found out by asking. next() pulls (one call at a time, in order) and cuts what came into
// morsels; read() turns a morsel into canonical columns on the worker that claimed it. No predicate is applied here.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/types.h"
#include "plan/table_source.h"

namespace gristmill::io {

struct StreamedBatch {
  std::shared_ptr<arrow::RecordBatch> rows;
  int32_t input = -1;      // index of the file
  int64_t first_row = -1;  // of the first row within it
};

// Gives nothing at the end. Empty batches are allowed.
using PullBatch = std::function<arrow::Result<std::optional<StreamedBatch>>()>;

struct StreamScanSpec {
  PullBatch pull;
  std::vector<int> columns;            // of the pulled batches, one for each output column
  std::vector<column::TypePtr> types;  // canonical, of the output columns
  std::vector<std::string> files;
  std::string detail;
};

std::shared_ptr<plan::Scan> make_stream_scan(StreamScanSpec spec, const plan::ScanRequest& request);

}  // namespace gristmill::io
