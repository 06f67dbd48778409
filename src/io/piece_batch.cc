// A piece is one value of bytes in a buffer of its own.

#include "io/piece_batch.h"

#include <cstring>

#include <arrow/array/data.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"

namespace gristmill::io {

arrow::Result<column::Batch> piece_batch(std::string_view bytes, int64_t rows, arrow::MemoryPool* pool) {
  if (bytes.size() > static_cast<size_t>(INT32_MAX)) return base::data_error("an encoded row is longer than 2 GiB");
  ARROW_ASSIGN_OR_RAISE(auto text, column::allocate_buffer(std::ssize(bytes), pool));
  std::memcpy(text->mutable_data(), bytes.data(), bytes.size());
  ARROW_ASSIGN_OR_RAISE(auto values, column::allocate_zeroed(16, pool));
  column::View16 view{};
  view.size = static_cast<uint32_t>(bytes.size());
  if (view.is_inline()) {
    std::memcpy(view.inlined, bytes.data(), bytes.size());
  } else {
    std::memcpy(view.ref.prefix, bytes.data(), 4);
  }
  std::memcpy(values->mutable_data(), &view, 16);
  auto one = column::make_array(arrow::binary_view(), 1, nullptr, 0, std::move(values));
  one->buffers.push_back(std::move(text));
  column::Batch out;
  out.rows = rows;
  out.columns.push_back(column::Column::constant(std::move(one)));
  return out;
}

}  // namespace gristmill::io
