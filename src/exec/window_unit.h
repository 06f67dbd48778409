// A stretch of sorted rows whose window values are computed together, and how a function sees it.
//
// Positions number the rows in the order of one WindowOrdering; rows[position] is the input row. A unit is whole partitions, or a
// part of one: functions may look at every position of the partitions that the unit touches.
#pragma once

#include <cstdint>
#include <memory>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/batch.h"
#include "exec/window_layout.h"
#include "exec/window_result.h"

namespace gristmill::exec {

inline constexpr uint8_t kPartitionStart = 1, kPeerStart = 2;

// The rows of one ordering.
struct OrderedRows {
  const column::Batch* batch = nullptr;  // columns by input row
  int64_t count = 0;
  const int64_t* rows = nullptr;   // null: position = row
  const uint8_t* marks = nullptr;  // kPartitionStart, kPeerStart by position
  int64_t row(int64_t position) const { return rows ? rows[position] : position; }
  bool starts(int64_t position, uint8_t what) const { return (marks[position] & what) != 0; }
};

struct WindowUnit {
  const OrderedRows* ordered = nullptr;
  int64_t begin = 0, end = 0;   // positions to compute
  int64_t first = 0, last = 0;  // of the partitions it touches; the same as begin and end but for a part of a partition
};

// One partition within a unit: positions [first, last), of which [begin, end) are to be computed.
struct Partition {
  int64_t first, last, begin, end;
};

template <typename F>  // F(Partition) -> arrow::Status
arrow::Status for_partitions(const WindowUnit& unit, F&& f) {
  if (unit.begin != unit.first || unit.end != unit.last) return f(Partition{unit.first, unit.last, unit.begin, unit.end});
  const OrderedRows& o = *unit.ordered;
  for (int64_t at = unit.begin; at < unit.end;) {
    int64_t stop = at + 1;
    while (stop < unit.end && !o.starts(stop, kPartitionStart)) ++stop;
    ARROW_RETURN_NOT_OK(f(Partition{at, stop, at, stop}));
    at = stop;
  }
  return arrow::Status::OK();
}

// Values of a column at positions [from, to), in order of position, flat; `base` is the position of its first value.
struct Gathered {
  column::Column column;
  int64_t base = 0;
  column::ValidityBits valid;
  template <typename T>
  const T* values() const {  // indexed by position
    return column::values_of<T>(*column.values) - base;
  }
  bool is_valid(int64_t position) const { return valid.valid(position - base); }
};
arrow::Result<Gathered> gather(const OrderedRows& o, int column, int64_t from, int64_t to, arrow::MemoryPool* pool);

// The positions that the frames of a unit's rows may reach.
struct PositionRange {
  int64_t from, to;
};
PositionRange touched(const WindowTask& task, const WindowUnit& unit);
// Whether a row's value needs only rows at a bounded distance: a partition may then be cut anywhere.
bool is_local(const WindowTask& task);

// One family of functions a file: values of all rows of a unit. A data error says what went out of range.
arrow::Status compute_ranks(const WindowTask& task, const WindowUnit& unit, WindowResult& out);
arrow::Status compute_neighbours(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out);
arrow::Status compute_edges(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out);
arrow::Status compute_sums(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out);
arrow::Status compute_extremes(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out);
arrow::Status compute_window(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out);

}  // namespace gristmill::exec
