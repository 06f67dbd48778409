#include "exec/window_columns.h"

#include <algorithm>

#include "column/kernels.h"
#include "exec/window_result.h"

namespace gristmill::exec {

std::vector<bool> columns_in_pieces(const WindowLayout& layout) {
  std::vector<bool> out(layout.types.size(), true);
  const auto join = [&](const std::vector<int>& columns) {
    for (const int c : columns) out[static_cast<size_t>(c)] = false;
  };
  for (const WindowOrdering& o : layout.orderings) {
    join(o.partition);
    join(o.order);
  }
  for (const WindowTask& t : layout.tasks) {
    if (layout.orderings[t.ordering].trivial() && !WindowResult::picks(t) && !is_blind(t)) continue;
    join(t.args);
    if (t.filter >= 0) join({t.filter});
  }
  return out;
}

void WindowColumns::settle(column::Batch joined, std::vector<column::Batch> pieces, std::vector<bool> in_pieces) {
  joined_ = std::move(joined);
  pieces_ = std::move(pieces);
  in_pieces_ = std::move(in_pieces);
  ends_.clear();
  int64_t at = 0;
  for (const column::Batch& p : pieces_) ends_.push_back(at += p.rows);
}

size_t WindowColumns::piece_of(int64_t row) const {
  return static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), row) - ends_.begin());
}

int64_t WindowColumns::piece_end(int64_t row) const {
  const size_t piece = piece_of(row);
  return piece < ends_.size() ? ends_[piece] : rows();
}

arrow::Result<column::Column> WindowColumns::range(size_t column, int64_t from, int64_t n, arrow::MemoryPool* pool) const {
  if (!in_pieces(column)) return column::slice(joined_.columns[column], from, n);
  std::vector<column::Column> parts;
  std::vector<int64_t> rows;
  for (size_t p = piece_of(from); parts.empty() || n > 0; ++p) {
    const int64_t first = ends_[p] - pieces_[p].rows, here = std::min(n, ends_[p] - from);
    parts.push_back(column::slice(pieces_[p].columns[column], from - first, here));
    rows.push_back(here);
    from += here;
    n -= here;
  }
  if (parts.size() == 1) return std::move(parts[0]);
  return column::concat(parts, rows, pool);
}

}  // namespace gristmill::exec
