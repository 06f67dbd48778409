// Rows that go on as they came through an operator that takes the watermark of what stands behind it: how far event time has come is told
// after them.
//
// A row that is behind the watermark of its own stream is told of before it comes: whoever judges it behind here sees what stood when it
// came, row by row, wherever batches were cut. For rows that are not behind it does not matter when it is told.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "column/batch.h"
#include "stream/stateful.h"
#include "stream/watermark.h"

namespace gristmill::stream {

// `rows`: the selected rows of the batch and their `times`; `start`: of its partition, before them. `tell(level)` emits the watermark.
template <typename Tell>
arrow::Status pass_marked(column::Batch batch, const std::vector<uint16_t>& rows, const std::vector<int64_t>& times,
                          const Watermark::Start& start, Emitter& out, Tell&& tell) {
  int64_t run = kNoTime, told = kNoTime;
  size_t from = 0;
  const auto emit = [&](size_t to) -> arrow::Status {
    if (from == 0 && to == rows.size()) return out.rows(batch);
    if (from == to) return arrow::Status::OK();
    column::Batch piece = batch;
    std::vector<uint16_t> some(rows.begin() + static_cast<std::ptrdiff_t>(from), rows.begin() + static_cast<std::ptrdiff_t>(to));
    piece.selection = column::Selection::from_indices(std::move(some), batch.rows);
    from = to;
    return out.rows(std::move(piece));
  };
  for (size_t j = 0; j < rows.size() && !start.inherited; ++j) {
    const int64_t before = start.before(run);
    if (times[j] < before && before > told) {
      ARROW_RETURN_NOT_OK(emit(j));
      ARROW_RETURN_NOT_OK(tell(before));
      told = before;
    }
    run = std::max(run, times[j]);
  }
  return emit(rows.size());
}

}  // namespace gristmill::stream
