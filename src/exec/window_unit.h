// A stretch of sorted rows whose window values are computed together, and how a function sees it.
//
// Positions number the rows in the order of one WindowOrdering; rows[position] is the input row. A unit is whole partitions, or a
// part of one: functions may look at every position of the partitions that the unit touches.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/batch.h"
#include "exec/window_layout.h"
#include "exec/window_result.h"

namespace gristmill::exec {

class WindowColumns;  // window_columns.h

inline constexpr uint8_t kPartitionStart = 1, kPeerStart = 2;

// The rows of one ordering.
struct OrderedRows {
  const column::Batch* batch = nullptr;  // columns by input row
  int64_t count = 0;
  const int64_t* rows = nullptr;   // null: position = row
  const uint8_t* marks = nullptr;  // kPartitionStart, kPeerStart by position; null: all rows are one partition, and peers
  const WindowColumns* columns = nullptr;  // where some lie in pieces, which `batch` does not have
  int64_t row(int64_t position) const { return rows ? rows[position] : position; }
  bool starts(int64_t position, uint8_t what) const { return marks ? (marks[position] & what) != 0 : position == 0; }
};

// Of a partition that passes by in stretches: what functions need of the rows that have left.
struct WindowCarry {
  int64_t rows = 0, groups = 0;             // how many rows have left, and how many groups of peers began among them
  int64_t added = 0;                        // positions before it are in the sums already
  std::vector<std::shared_ptr<void>> sums;  // by task; of the type that task's function keeps
  bool ends_here = false;                   // no other stretch goes on with these sums
};

struct WindowUnit {
  const OrderedRows* ordered = nullptr;
  int64_t begin = 0, end = 0;    // positions to compute
  int64_t first = 0, last = 0;   // of the partitions it touches; the same as begin and end but for a part of a partition
  WindowCarry* carry = nullptr;  // the unit is a stretch of one partition, whose first rows have left
  size_t task = 0;               // which of carry's sums
};

// One partition within a unit: positions [first, last), of which [begin, end) are to be computed.
struct Partition {
  int64_t first, last, begin, end;
};

template <typename F>  // F(Partition) -> arrow::Status
arrow::Status for_partitions(const WindowUnit& unit, F&& f) {
  if (unit.carry || unit.begin != unit.first || unit.end != unit.last) return f(Partition{unit.first, unit.last, unit.begin, unit.end});
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
// Whether a function can follow a partition that passes by in stretches, and how many rows around a stretch it looks at.
struct Reach {
  bool streams = false;
  bool whole_peers = false;  // stretches end with groups of peers
  int64_t back = 0, ahead = 0;
};
Reach reach_of(const WindowTask& task);
// Whether a row's value needs only rows at a bounded distance: a partition may then be cut anywhere.
bool is_local(const WindowTask& task);

// One family of functions a file: values of all rows of a unit. A data error says what went out of range.
arrow::Status compute_ranks(const WindowTask& task, const WindowUnit& unit, WindowResult& out);
arrow::Status compute_neighbours(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out);
arrow::Status compute_edges(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out);
arrow::Status compute_sums(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out);
arrow::Status compute_extremes(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out);
// What the rows of a stretch add up to, as a WindowCarry keeps it; null for functions without sums.
arrow::Result<std::shared_ptr<void>> sum_of_rows(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool);
std::shared_ptr<void> joined_sums(const WindowTask& task, const std::shared_ptr<void>& before, const std::shared_ptr<void>& own);
arrow::Status compute_window(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out);

}  // namespace gristmill::exec
