// Only as many positions around the unit are summed as its frames reach. Where a frame is not cut by the ends of its partition, the sums
// of a block of rows are differences of two stretches as they lie.

#include "exec/window_running.h"

#include <algorithm>
#include <vector>

#include <arrow/type.h>

#include "column/exact_running.h"

namespace gristmill::exec {
namespace {

using expr::FrameEdge;

constexpr int64_t kRunSample = 4096;
constexpr int64_t kFar = int64_t{1} << 40;  // more rows than a partition has

// Where an edge lies from the row: rows before are negative.
int64_t frame_offset(const expr::BoundEdge& e) {
  switch (e.edge) {
    case FrameEdge::kUnboundedPreceding: return -kFar;
    case FrameEdge::kPreceding: return -std::min(e.rows, kFar);
    case FrameEdge::kCurrentRow: return 0;
    case FrameEdge::kFollowing: return std::min(e.rows, kFar);
    default: return kFar;
  }
}

class Runs {
 public:
  Runs(const WindowTask& task, const WindowUnit& unit, bool before)
      : task_(task),
        unit_(unit),
        o_(*unit.ordered),
        by_rows_(task.function.mode == expr::FrameMode::kRows),
        from_start_(task.function.start.edge == FrameEdge::kUnboundedPreceding),
        before_(before),
        start_(frame_offset(task.function.start)),
        end_(by_rows_ ? frame_offset(task.function.end) : kFar) {}

  // Positions that frames reach.
  PositionRange range() const {
    if (!by_rows_) return {unit_.first, unit_.last};
    return {std::max(unit_.first, unit_.begin + std::min<int64_t>(start_, 0)), std::min(unit_.last, unit_.end + std::max<int64_t>(end_, 0))};
  }

  arrow::Result<bool> run(const RunBefore* before, arrow::MemoryPool* pool, WindowResult& out) {
    const PositionRange r = range();
    from_ = r.from;
    ARROW_ASSIGN_OR_RAISE(const Gathered values, gather(o_, task_.args[0], r.from, r.to, pool));
    const double* const x = values.values<double>() + r.from;
    const int64_t n = r.to - r.from;
    const auto unit = column::ExactUnit::choose({x, static_cast<size_t>(std::min(n, kRunSample))});
    column::ExactSum start;
    if (before && !unit.add_scaled(start, before->sum.units, before->unit.exponent())) return false;
    ARROW_ASSIGN_OR_RAISE(const bool fits, sums_.make(x, values.valid.bits, values.valid.offset, n, unit, start, pool));
    if (!fits) return false;
    rows_before_ = before ? before->rows : 0;
    if (values.valid.bits) {
      counts_.resize(static_cast<size_t>(n + 1));
      for (int64_t i = 0; i < n; ++i) counts_[static_cast<size_t>(i + 1)] = counts_[static_cast<size_t>(i)] + values.valid.valid(i);
    }
    ARROW_RETURN_NOT_OK(for_partitions(unit_, [&](const Partition& p) {
      peers_ = p.first;
      for (int64_t at = p.begin; at < p.end; at += kRows) block(p, at, static_cast<int>(std::min<int64_t>(kRows, p.end - at)), out);
      return arrow::Status::OK();
    }));
    return true;
  }

 private:
  static constexpr int kRows = column::RunningSums::kBlock;

  void block(const Partition& p, int64_t at, int n, WindowResult& out) {
    double apart[kRows];
    double* const to = o_.rows ? apart : out.values<double>() + at;
    const bool inside = by_rows_ && start_ <= end_ && at + n + end_ <= p.last && at + end_ + 1 >= p.first;
    if (inside && from_start_) {
      if (before_ || p.first == from_) {
        sums_.round_from_start(at + end_ + 1 - from_, n, to);
      } else {
        each(p, at, n, to, out);
        return;
      }
    } else if (inside && at + start_ >= p.first) {
      sums_.round(at + start_ - from_, at + end_ + 1 - from_, n, to);
    } else {
      each(p, at, n, to, out);
      return;
    }
    if (o_.rows) put(at, n, to, out);
    if (counts_.empty() && (from_start_ ? at + end_ + 1 - p.first + rows_before_ : end_ - start_ + 1) >= task_.function.min_periods) return;
    for (int i = 0; i < n; ++i) {
      const int64_t high = at + i + end_ + 1;
      note_null(at + i, from_start_ ? p.first : at + i + start_, high, out);
    }
  }

  // Frames that the partition's ends cut, and those that end with peers.
  void each(const Partition& p, int64_t at, int n, double* to, WindowResult& out) {
    int64_t low[kRows], high[kRows];
    for (int i = 0; i < n; ++i) {
      const int64_t position = at + i;
      const int64_t end = by_rows_ ? std::clamp(position + end_ + 1, p.first, p.last) : peers_end(p, position);
      const int64_t begin = std::min(std::clamp(position + start_, p.first, p.last), end);
      low[i] = before_ && from_start_ ? -1 : begin - from_;
      high[i] = end - from_;
    }
    sums_.round_each(low, high, n, to);
    if (o_.rows) put(at, n, to, out);
    for (int i = 0; i < n; ++i) note_null(at + i, low[i] < 0 ? p.first : low[i] + from_, high[i] + from_, out);
  }

  int64_t peers_end(const Partition& p, int64_t position) {
    if (peers_ <= position) {
      peers_ = position + 1;
      while (peers_ < p.last && !o_.starts(peers_, kPeerStart)) ++peers_;
    }
    return peers_;
  }

  void put(int64_t at, int n, const double* values, WindowResult& out) const {
    for (int i = 0; i < n; ++i) out.set<double>(o_.rows[at + i], values[i]);
  }

  void note_null(int64_t position, int64_t low, int64_t high, WindowResult& out) const {
    const int64_t rows =
        counts_.empty() ? high - low : counts_[static_cast<size_t>(high - from_)] - counts_[static_cast<size_t>(low - from_)];
    if (rows + (from_start_ ? rows_before_ : 0) >= task_.function.min_periods) return;
    out.set<double>(o_.row(position), 0);
    out.set_null(o_.row(position));
  }

  const WindowTask& task_;
  const WindowUnit& unit_;
  const OrderedRows& o_;
  const bool by_rows_, from_start_, before_;
  const int64_t start_, end_;
  int64_t from_ = 0, rows_before_ = 0, peers_ = 0;
  column::RunningSums sums_;
  std::vector<int64_t> counts_;  // valid rows before each place; empty: all are
};

}  // namespace

bool sums_run(const WindowTask& task, const arrow::DataType& type) {
  const expr::BoundWindow& f = task.function;
  if (f.function != "sum" || type.id() != arrow::Type::DOUBLE || task.filter >= 0 || f.exclude != expr::FrameExclude::kNothing) return false;
  if (f.mode == expr::FrameMode::kRows) return true;
  return !task.all_peers && f.start.edge == FrameEdge::kUnboundedPreceding && f.end.edge == FrameEdge::kCurrentRow;
}

arrow::Result<bool> compute_running_sums(const WindowTask& task, const WindowUnit& unit, const RunBefore* before, arrow::MemoryPool* pool,
                                         WindowResult& out) {
  return Runs(task, unit, before != nullptr).run(before, pool, out);
}

}  // namespace gristmill::exec
