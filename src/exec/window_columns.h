// The columns of a window operator's rows: joined where functions take rows from anywhere, else in the pieces they came in. A column
// that is only handed on, or gone through in the order of its rows, is not worth a copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/batch.h"
#include "exec/window_layout.h"

namespace gristmill::exec {

// Which columns may stay in pieces.
std::vector<bool> columns_in_pieces(const WindowLayout& layout);

class WindowColumns {
 public:
  // `in_pieces` by column: the others are in `joined`. All pieces together are its rows.
  void settle(column::Batch joined, std::vector<column::Batch> pieces, std::vector<bool> in_pieces);

  const column::Batch& joined() const { return joined_; }
  int64_t rows() const { return joined_.rows; }
  bool in_pieces(size_t column) const { return column < in_pieces_.size() && in_pieces_[column]; }
  // The end of the piece that has this row; the end of all rows where there are no pieces.
  int64_t piece_end(int64_t row) const;
  // Rows [from, from + n) of a column.
  arrow::Result<column::Column> range(size_t column, int64_t from, int64_t n, arrow::MemoryPool* pool) const;

 private:
  size_t piece_of(int64_t row) const;

  column::Batch joined_;
  std::vector<column::Batch> pieces_;
  std::vector<int64_t> ends_;  // of the pieces
  std::vector<bool> in_pieces_;
};

}  // namespace gristmill::exec
