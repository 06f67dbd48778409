// Rows computed once and read as often as wanted.
//
//   ARROW_ASSIGN_OR_RAISE(Held days, hold(hourly.group_by({"day", "pod"}).agg({col("cpu").sum()}), options));
//   days.frame.join(...); days.frame.filter(...);   // the hourly rows are not read again
//
// The first `memory_bytes` stay in memory, the rest goes to a spill file that nobody else sees and that is gone with the last frame over
// it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <arrow/result.h>

#include "gristmill/frame.h"

namespace gristmill {

struct Held {
  Frame frame;
  int64_t rows = 0;
  int64_t memory_bytes = 0;  // of the rows that stay in memory; no later run's limit counts them
  int64_t spilled_bytes = 0;
};

struct HoldOptions {
  std::optional<int64_t> memory_bytes = {};  // nothing: 128 MiB; where the run has a limit, an eighth of it and at most 32 MiB
};

// Runs `frame`; the rows come back in its order. A held frame cannot be serialised.
arrow::Result<Held> hold(const Frame& frame, ParallelOptions options = {}, Cancellation cancel = {}, HoldOptions hold = {});

// Several frames, each held. Where all of them group the same rows (steps on one frame: filters, projections, then a group_by) they
// run as one query that reads those rows once; else one after the other. `hold` is for each.
//
//   const Frame usage = scan_parquet_files(files).filter(...);
//   hold_together({usage.group_by({"day", "pod"}).agg(...), usage.group_by({"hour", "node"}).agg(...)}, options);
arrow::Result<std::vector<Held>> hold_together(const std::vector<Frame>& frames, ParallelOptions options = {}, Cancellation cancel = {},
                                               HoldOptions hold = {});

}  // namespace gristmill
