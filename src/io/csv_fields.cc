// One pass for the positions, one over the records.

#include "io/csv_fields.h"

#include <algorithm>
#include <cstring>

#include "column/buffers.h"
#include "column/simd/dispatch.h"

namespace gristmill::io {
namespace {

constexpr int64_t kStep = 32768;  // bytes of text between two looks at the room

uint32_t* words(const std::shared_ptr<arrow::Buffer>& b) { return reinterpret_cast<uint32_t*>(b->mutable_data()); }

}  // namespace

arrow::Status FieldTable::make_room(std::shared_ptr<arrow::Buffer>& buffer, int64_t keep, int64_t count, arrow::MemoryPool* pool) {
  if (buffer != nullptr && buffer->size() >= count * 4) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(auto larger, column::allocate_buffer(std::max(count, buffer == nullptr ? 0 : buffer->size() / 2) * 4, pool));
  if (keep > 0 && buffer != nullptr) std::memcpy(larger->mutable_data(), buffer->data(), static_cast<size_t>(keep) * 4);
  buffer = std::move(larger);
  return arrow::Status::OK();
}

arrow::Status FieldTable::find(const TextBlock& block, const CsvDialect& dialect, int columns) {
  text_ = block.text();
  size_ = block.size;
  columns_ = columns;
  fields_ = records_ = 0;
  ragged_.clear();
  if (block.exact) {
    ARROW_RETURN_NOT_OK(walk(block, dialect));
  } else {
    ARROW_RETURN_NOT_OK(scan(block, dialect));
    find_rows(dialect);
  }
  if (!ragged_.empty()) ARROW_RETURN_NOT_OK(make_regular());
  return arrow::Status::OK();
}

// Position 0 of the ends stands before the text.
arrow::Status FieldTable::scan(const TextBlock& block, const CsvDialect& dialect) {
  column::simd::TextFields f{};
  const int quote = block.quotes ? dialect.quote : -1;
  const auto& kernels = column::simd::kernels();
  for (int64_t at = 0; at < size_; at += kStep) {
    ARROW_RETURN_NOT_OK(make_room(end_buffer_, fields_ + 1, fields_ + kStep + 16, pool_));
    ARROW_RETURN_NOT_OK(make_room(record_buffer_, records_, records_ + kStep + 16, pool_));
    f.from = at;
    f.to = std::min(at + kStep, size_);
    f.ends = words(end_buffer_) + 1;
    f.record_ends = words(record_buffer_);
    kernels.text_fields(text_, size_, static_cast<uint8_t>(dialect.separator), quote, &f);
    fields_ = f.fields;
    records_ = f.records;
  }
  if (size_ > 0 && (records_ == 0 || f.record_ends[records_ - 1] != fields_ || f.ends[fields_ - 1] + 1 != size_)) {
    f.ends[fields_++] = static_cast<uint32_t>(size_);  // the last record has no line end
    f.record_ends[records_++] = static_cast<uint32_t>(fields_);
  }
  return arrow::Status::OK();
}

// What is left out lies between records, so here every record has the position before it to itself.
arrow::Status FieldTable::walk(const TextBlock& block, const CsvDialect& dialect) {
  std::vector<uint32_t> ends, firsts;
  for (int64_t at = 0; at < size_;) {
    const size_t before = ends.size();
    ends.push_back(static_cast<uint32_t>(at - 1));
    const RecordWalk r = walk_record(text_, size_, at, dialect, &ends);
    at = r.next;
    if (!r.record) {
      ends.resize(before);
      continue;
    }
    const int64_t width = static_cast<int64_t>(ends.size() - before) - 1;
    if (width != columns_) ragged_.push_back({std::ssize(firsts), width});
    firsts.push_back(static_cast<uint32_t>(before + 1));
  }
  fields_ = std::ssize(ends);
  rows_ = records_ = std::ssize(firsts);
  ARROW_RETURN_NOT_OK(make_room(end_buffer_, 0, fields_ + 16, pool_));
  ARROW_RETURN_NOT_OK(make_room(record_buffer_, 0, records_ + 16, pool_));
  if (fields_ > 0) std::memcpy(words(end_buffer_), ends.data(), ends.size() * 4);
  if (records_ > 0) std::memcpy(words(record_buffer_), firsts.data(), firsts.size() * 4);
  ends_ = words(end_buffer_);
  first_ = words(record_buffer_);
  return arrow::Status::OK();
}

// record_buffer_ turns from the records' ends to the rows' first fields.
void FieldTable::find_rows(const CsvDialect& dialect) {
  rows_ = 0;
  if (records_ == 0) return;
  uint32_t* ends = words(end_buffer_);
  uint32_t* first = words(record_buffer_);
  ends[0] = UINT32_MAX;
  uint32_t before = 0;
  const auto columns = static_cast<uint32_t>(columns_);
  for (int64_t i = 0; i < records_; ++i) {
    const uint32_t end = first[i], width = end - before;
    if (width != columns || width == 1) {
      if (width == 1 && dialect.skip_blank) {
        const uint32_t begin = ends[before] + 1, stop = ends[before + 1];
        if (begin == stop || (begin + 1 == stop && text_[begin] == '\r')) {
          before = end;
          continue;
        }
      }
      if (width != columns) ragged_.push_back({rows_, width});
    }
    first[rows_++] = before + 1;
    before = end;
  }
  ends_ = ends;
  first_ = first;
}

// Every row gets columns + 1 positions of its own; a missing field ends before it begins.
arrow::Status FieldTable::make_regular() {
  const int64_t stride = columns_ + 1;
  std::shared_ptr<arrow::Buffer> regular, firsts;
  ARROW_RETURN_NOT_OK(make_room(regular, 0, rows_ * stride + 16, pool_));
  ARROW_RETURN_NOT_OK(make_room(firsts, 0, rows_ + 16, pool_));
  size_t next = 0;
  for (int64_t r = 0; r < rows_; ++r) {
    int64_t width = columns_;
    if (next < ragged_.size() && ragged_[next].row == r) width = ragged_[next++].fields;
    uint32_t* to = words(regular) + r * stride;
    const uint32_t* from = ends_ + first_[r] - 1;
    for (int64_t c = 0; c <= columns_; ++c) to[c] = from[std::min(c, width)];
    if (width < columns_ && width > 0) {  // the line end is the last field's, not a column's that may be cut
      const uint32_t end = to[width];
      if (end > to[width - 1] + 1 && text_[end - 1] == '\r') {
        for (int64_t c = width; c <= columns_; ++c) to[c] = end - 1;
      }
    }
    words(firsts)[r] = static_cast<uint32_t>(r * stride + 1);
  }
  end_buffer_ = std::move(regular);
  record_buffer_ = std::move(firsts);
  ends_ = words(end_buffer_);
  first_ = words(record_buffer_);
  return arrow::Status::OK();
}

}  // namespace gristmill::io
