#include "expr/text_out.h"

#include <algorithm>
#include <limits>

#include "base/status.h"
#include "column/buffers.h"

namespace gristmill::expr {

using column::View16;

arrow::Result<TextOut> TextOut::make(int64_t rows, arrow::MemoryPool* pool) {
  TextOut out;
  out.pool_ = pool;
  out.rows_ = rows;
  ARROW_ASSIGN_OR_RAISE(out.views_, column::allocate_zeroed(rows * static_cast<int64_t>(sizeof(View16)), pool));
  out.view_ = reinterpret_cast<View16*>(out.views_->mutable_data());
  return out;
}

arrow::Status TextOut::next_chunk(int64_t bytes) {
  if (bytes > std::numeric_limits<int32_t>::max())
    return base::data_error("a text of more than 2 GiB: " + std::to_string(bytes) + " bytes");
  const int64_t size = std::max(bytes, next_size_);
  next_size_ = std::min<int64_t>(2 * next_size_, int64_t{1} << 20);
  ARROW_ASSIGN_OR_RAISE(auto buffer, column::allocate_buffer(size, pool_));
  chunk_ = reinterpret_cast<char*>(buffer->mutable_data());
  chunk_number_ = static_cast<int32_t>(buffers_.size());
  buffers_.push_back(std::move(buffer));
  used_ = 0;
  capacity_ = size;
  return arrow::Status::OK();
}

void TextOut::set_written(int64_t row, int64_t bytes) {
  const char* at = chunk_ + used_;
  if (bytes <= 12) {
    view_[row] = inline_view({at, static_cast<size_t>(bytes)});
    return;
  }
  View16& v = view_[row];
  v.size = static_cast<uint32_t>(bytes);
  std::memcpy(v.ref.prefix, at, 4);
  v.ref.buffer = chunk_number_;
  v.ref.offset = static_cast<int32_t>(used_);
  used_ += bytes;
}

arrow::Status TextOut::set(int64_t row, std::string_view bytes) {
  if (bytes.size() <= 12) {
    view_[row] = inline_view(bytes);
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(char* at, reserve(static_cast<int64_t>(bytes.size())));
  std::memcpy(at, bytes.data(), bytes.size());
  set_written(row, static_cast<int64_t>(bytes.size()));
  return arrow::Status::OK();
}

int32_t TextOut::adopt(const arrow::ArrayData& source) {
  const auto first = static_cast<int32_t>(buffers_.size());
  for (size_t b = 2; b < source.buffers.size(); ++b) buffers_.push_back(source.buffers[b]);
  return first;
}

void TextOut::set_part(int64_t row, const View16& from, int32_t first_buffer, std::string_view part, int64_t skip) {
  if (part.size() <= 12) {
    view_[row] = inline_view(part);
    return;
  }
  View16& v = view_[row];
  v.size = static_cast<uint32_t>(part.size());
  std::memcpy(v.ref.prefix, part.data(), 4);
  v.ref.buffer = first_buffer + from.ref.buffer;
  v.ref.offset = from.ref.offset + static_cast<int32_t>(skip);
}

std::shared_ptr<arrow::ArrayData> TextOut::finish(const column::TypePtr& type) {
  auto data = column::make_array(type, rows_, nullptr, 0, std::move(views_));
  data->buffers.insert(data->buffers.end(), buffers_.begin(), buffers_.end());
  return data;
}

}  // namespace gristmill::expr
