// One row repeated: what a constant column is when somebody wants it flat.

#include <arrow/type.h>

#include <algorithm>
#include <cstring>

#include "column/array_kernels.h"
#include "column/buffers.h"
#include "column/column.h"

namespace gristmill::column {

arrow::Result<ArrayPtr> repeat_row(const arrow::ArrayData& d, int64_t row, int64_t rows, arrow::MemoryPool* pool) {
  const Physical p = physical_unchecked(*d.type);
  if (p == Physical::kNull || !validity_of(d).valid(row)) return make_null_array(d.type, rows, pool);
  if (p == Physical::kNested) {
    const std::vector<int64_t> same(static_cast<size_t>(rows), row);
    return take_array(d, std::span<const int64_t>(same), pool);
  }
  if (p == Physical::kBool) {
    ARROW_ASSIGN_OR_RAISE(auto values, allocate_bits(rows, pool));
    if (bit_at(d.buffers[1]->data(), d.offset + row)) std::memset(values->mutable_data(), 0xff, static_cast<size_t>(values->size()));
    return make_array(d.type, rows, nullptr, 0, std::move(values));
  }
  const int64_t width = byte_width(p), bytes = rows * width;
  ARROW_ASSIGN_OR_RAISE(auto values, allocate_buffer(bytes, pool));
  if (rows > 0) {
    // Doubling copies: log2(rows) calls whatever the width.
    uint8_t* to = values->mutable_data();
    std::memcpy(to, d.buffers[1]->data() + (d.offset + row) * width, static_cast<size_t>(width));
    for (int64_t done = width; done < bytes; done *= 2) std::memcpy(to + done, to, static_cast<size_t>(std::min(done, bytes - done)));
  }
  return make_array_like(d, rows, nullptr, 0, std::move(values));
}

}  // namespace gristmill::column
