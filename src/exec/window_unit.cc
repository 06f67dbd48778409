// Gathering values into the order of positions, and the choice of the function's family.

#include "exec/window_unit.h"

#include <algorithm>
#include <span>

#include <arrow/type.h>

#include "column/kernels.h"
#include "exec/window_columns.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kLocalRows = 65536;  // frames that reach further are not worth cutting partitions for

}  // namespace

arrow::Result<Gathered> gather(const OrderedRows& o, int column, int64_t from, int64_t to, arrow::MemoryPool* pool) {
  const auto number = static_cast<size_t>(column);
  const column::Column& c = o.batch->columns[number];
  Gathered out;
  out.base = from;
  if (o.columns && o.columns->in_pieces(number)) {
    ARROW_ASSIGN_OR_RAISE(out.column, o.columns->range(number, from, to - from, pool));
  } else if (o.rows && !c.is_constant()) {
    ARROW_ASSIGN_OR_RAISE(out.column, column::take(c, std::span<const int64_t>(o.rows + from, static_cast<size_t>(to - from)), pool));
  } else {
    out.column = c.is_constant() ? c : column::slice(c, from, to - from);
  }
  ARROW_ASSIGN_OR_RAISE(out.column, column::flatten(out.column, to - from, pool));
  out.valid = column::validity_of(*out.column.values);
  return out;
}

bool is_local(const WindowTask& task) {
  const expr::BoundWindow& f = task.function;
  if (f.function == "row_number" || f.function == "ntile") return true;
  if (f.function == "lag" || f.function == "lead") return !f.ignore_nulls;
  if (f.function == "rank" || f.function == "dense_rank" || f.function == "rank_max" || f.function == "rank_average" ||
      f.function == "percent_rank" || f.function == "cume_dist")
    return false;
  const bool ends = f.start.edge != expr::FrameEdge::kUnboundedPreceding && f.end.edge != expr::FrameEdge::kUnboundedFollowing;
  return f.mode == expr::FrameMode::kRows && ends && !f.ignore_nulls && f.exclude != expr::FrameExclude::kGroup &&
         f.exclude != expr::FrameExclude::kTies && f.start.rows <= kLocalRows && f.end.rows <= kLocalRows;
}

Reach reach_of(const WindowTask& task) {
  const expr::BoundWindow& f = task.function;
  Reach r;
  if (f.function == "row_number") return {true, false, 0, 0};
  if (f.function == "rank" || f.function == "dense_rank") return {!task.all_peers, true, 0, 0};
  if (f.function == "lag" || f.function == "lead") {
    r.back = std::max<int64_t>(f.number, 0);
    r.ahead = std::max<int64_t>(-f.number, 0);
    r.streams = !f.ignore_nulls && r.back <= kLocalRows && r.ahead <= kLocalRows;
    return r;
  }
  if (f.function == "ntile" || f.function == "percent_rank" || f.function == "cume_dist" || f.function.starts_with("rank_")) return r;
  if (f.mode == expr::FrameMode::kRows && is_local(task)) {
    const auto rows = [](const expr::BoundEdge& e, expr::FrameEdge side) { return e.edge == side ? e.rows : 0; };
    const int64_t back = std::max(rows(f.start, expr::FrameEdge::kPreceding), rows(f.end, expr::FrameEdge::kPreceding));
    return {true, false, back, std::max(rows(f.end, expr::FrameEdge::kFollowing), rows(f.start, expr::FrameEdge::kFollowing))};
  }
  // Running sums: everything up to the row, or to its last peer.
  const bool sums = f.function == "sum" || f.function == "mean" || f.function == "count" || f.function == "var" || f.function == "std";
  r.streams = sums && (!task.all_peers || f.mode == expr::FrameMode::kRows) && f.start.edge == expr::FrameEdge::kUnboundedPreceding &&
              f.end.edge == expr::FrameEdge::kCurrentRow && f.exclude == expr::FrameExclude::kNothing;
  r.whole_peers = f.mode != expr::FrameMode::kRows;
  return r;
}

PositionRange touched(const WindowTask& task, const WindowUnit& unit) {
  if (unit.carry) return {unit.first, unit.last};
  const bool part = unit.begin != unit.first || unit.end != unit.last;
  if (!part || !is_local(task)) return {unit.first, unit.last};
  return {std::max(unit.first, unit.begin - kLocalRows), std::min(unit.last, unit.end + kLocalRows)};
}

arrow::Status compute_window(const WindowTask& task, const WindowUnit& unit, arrow::MemoryPool* pool, WindowResult& out) {
  const std::string& f = task.function.function;
  if (f == "lag" || f == "lead") return compute_neighbours(task, unit, pool, out);
  if (f == "first_value" || f == "last_value" || f == "nth_value" || f == "first" || f == "last")
    return compute_edges(task, unit, pool, out);
  if (f == "min" || f == "max") return compute_extremes(task, unit, pool, out);
  if (f == "sum" || f == "mean" || f == "count" || f == "var" || f == "std") return compute_sums(task, unit, pool, out);
  return compute_ranks(task, unit, out);
}

}  // namespace gristmill::exec
