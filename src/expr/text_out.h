// Builds a column of text or bytes: views, and one growing buffer for what does not fit into them.
//
// Rows that nobody sets are empty. Rows may be set in any order, each once. Buffers of other columns can be adopted, so
// that a substring refers to the bytes it came from.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/result.h>

#include "column/column.h"

namespace gristmill::expr {

class TextOut {
 public:
  static arrow::Result<TextOut> make(int64_t rows, arrow::MemoryPool* pool);

  arrow::Status set(int64_t row, std::string_view bytes);
  void set_view(int64_t row, const column::View16& inlined) { view_[row] = inlined; }
  // Room for `bytes` bytes that the caller fills at once; then set_written(row, bytes actually written).
  arrow::Result<char*> reserve(int64_t bytes) {
    if (used_ + bytes > capacity_) ARROW_RETURN_NOT_OK(next_chunk(bytes));
    return chunk_ + used_;
  }
  void set_written(int64_t row, int64_t bytes);
  // The bytes buffers of `source` become buffers of the result; returns what to add to its buffer numbers.
  int32_t adopt(const arrow::ArrayData& source);
  // A part of row text `whole` (as read from the adopted source's view `from`), beginning `skip` bytes in.
  void set_part(int64_t row, const column::View16& from, int32_t first_buffer, std::string_view part, int64_t skip);

  std::shared_ptr<arrow::ArrayData> finish(const column::TypePtr& type);

 private:
  TextOut() = default;
  arrow::Status next_chunk(int64_t bytes);

  arrow::MemoryPool* pool_ = nullptr;
  int64_t rows_ = 0;
  std::shared_ptr<arrow::Buffer> views_;
  column::View16* view_ = nullptr;
  std::vector<std::shared_ptr<arrow::Buffer>> buffers_;
  char* chunk_ = nullptr;  // of the last buffer of our own
  int32_t chunk_number_ = -1;
  int64_t used_ = 0;
  int64_t capacity_ = -1;
  int64_t next_size_ = 4096;
};

inline column::View16 inline_view(std::string_view bytes) {
  column::View16 v;
  std::memset(&v, 0, sizeof v);
  v.size = static_cast<uint32_t>(bytes.size());
  std::memcpy(v.inlined, bytes.data(), bytes.size());
  return v;
}

}  // namespace gristmill::expr
