// Where the fields of a block lie: one array of positions, found in one pass over the text.
//
// Field c of row r begins behind position at(first[r] + c - 1) and ends at position at(first[r] + c). Rows with the wrong number of
// fields are listed; the fields they have not come out as missing, what they have too much is not seen.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "io/csv_text.h"
#include "io/text_blocks.h"

namespace gristmill::io {

struct RaggedRow {
  int64_t row = 0;
  int64_t fields = 0;
};

struct RawField {
  const char* text;
  int64_t size;  // -1: missing
  std::string_view view() const { return {text, static_cast<size_t>(size)}; }
};

class ColumnFields {
 public:
  ColumnFields(const uint8_t* text, int64_t size, const uint32_t* ends, const uint32_t* first, int column, bool last)
      : text_(text), size_(size), ends_(ends), first_(first), column_(column), last_(last) {}
  RawField at(int64_t row) const {
    const uint32_t* e = ends_ + first_[row] + column_;
    const uint32_t begin = e[-1] + 1, end = e[0];
    int64_t size = static_cast<int32_t>(end - begin);
    // A carriage return before a line end belongs to it.
    if (last_ && size > 0 && text_[end - 1] == '\r' && (end == size_ || text_[end] == '\n')) --size;
    return {reinterpret_cast<const char*>(text_) + begin, size};
  }

 private:
  const uint8_t* text_;
  int64_t size_;
  const uint32_t* ends_;
  const uint32_t* first_;
  int column_;
  bool last_;
};

// Its buffers are used again for the next block.
class FieldTable {
 public:
  explicit FieldTable(arrow::MemoryPool* pool) : pool_(pool) {}
  arrow::Status find(const TextBlock& block, const CsvDialect& dialect, int columns);
  int64_t rows() const { return rows_; }
  const std::vector<RaggedRow>& ragged() const { return ragged_; }
  ColumnFields column(int c) const { return {text_, size_, ends_, first_, c, c + 1 == columns_}; }
  int64_t row_begin(int64_t row) const { return ends_[first_[row] - 1] + uint32_t{1}; }  // where its text begins

 private:
  arrow::Status scan(const TextBlock& block, const CsvDialect& dialect);
  arrow::Status walk(const TextBlock& block, const CsvDialect& dialect);
  void find_rows(const CsvDialect& dialect);
  arrow::Status make_regular();
  static arrow::Status make_room(std::shared_ptr<arrow::Buffer>& buffer, int64_t keep, int64_t count, arrow::MemoryPool* pool);

  arrow::MemoryPool* const pool_;
  std::shared_ptr<arrow::Buffer> end_buffer_, record_buffer_;
  const uint8_t* text_ = nullptr;
  int64_t size_ = 0;
  int columns_ = 0;
  int64_t fields_ = 0, records_ = 0;
  const uint32_t* ends_ = nullptr;
  const uint32_t* first_ = nullptr;
  int64_t rows_ = 0;
  std::vector<RaggedRow> ragged_;
};

}  // namespace gristmill::io
