// The cursor that decodes pages itself, for columns whose stored values are the engine's values (ParquetColumn::direct).
//
// Three kinds: fixed width, bool, and text or bytes as views. A string dictionary of moderate size becomes a dictionary column
// whose entries are shared by all batches of the row group.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "io/parquet_cursor.h"
#include "io/parquet_page_stream.h"

namespace gristmill::io {

// Requires file.columns[column].direct. Throws what the Parquet library throws.
std::unique_ptr<ParquetCursor> page_cursor(const ParquetFile& file, int column, int group, PageSource source, arrow::MemoryPool* pool);

// What the kinds share: pages, skipping, validity. A kind decodes the values that are there and spreads them.
class PageCursor : public ParquetCursor {
 public:
  PageCursor(const ParquetFile& file, int column, int group, PageSource source, arrow::MemoryPool* pool);
  arrow::Result<column::Column> read(int64_t rows, const column::Mask* wanted) final;
  void skip(int64_t rows) final { to_skip_ += rows; }

 protected:
  virtual void on_dictionary(const parquet::DictionaryPage& page) = 0;
  virtual void start_page(const PageStream::Page& page) = 0;
  virtual void skip_values(int64_t n) = 0;
  // A result of `rows` rows begins; the next `n` rows of the page, `valid` of them there, go to row `at`; it is complete.
  virtual void begin(int64_t rows) = 0;
  virtual void decode(int64_t at, int64_t n, int64_t valid) = 0;
  virtual column::Column finish(int64_t rows, std::shared_ptr<arrow::Buffer> validity, int64_t nulls) = 0;

  // Moves the `valid` values at the front of `values` (of n rows of `width` bytes) to the rows that are valid; the others become zero.
  void spread(uint8_t* values, int width, int64_t n, int64_t valid) const;
  bool row_valid(int64_t i) const;  // of the rows now being decoded

  const parquet::ColumnDescriptor& stored() const { return pages_.stored(); }
  std::shared_ptr<arrow::Buffer> take_values() { return pages_.take_values(); }  // as PageStream's, of the page that starts
  const column::TypePtr& type() const { return column_.inside; }
  int64_t chunk_rows() const { return pages_.rows(); }
  arrow::MemoryPool* pool() const { return pool_; }
  const column::Mask* wanted() const { return wanted_; }  // of the rows of the result

 private:
  void load(int64_t rows);
  void next_page();
  void note_validity(int64_t at, int64_t n, int64_t valid, int64_t rows);

  const ParquetFile& file_;
  const ParquetColumn& column_;
  arrow::MemoryPool* const pool_;
  PageStream pages_;
  PageStream::Page page_;
  int64_t page_at_ = 0;  // rows of the page that are behind us
  int64_t to_skip_ = 0;
  const column::Mask* wanted_ = nullptr;
  std::shared_ptr<arrow::Buffer> validity_;
  int64_t nulls_ = 0;
};

// The kinds.
std::unique_ptr<PageCursor> fixed_cursor(const ParquetFile& file, int column, int group, PageSource source, arrow::MemoryPool* pool);
std::unique_ptr<PageCursor> bool_cursor(const ParquetFile& file, int column, int group, PageSource source, arrow::MemoryPool* pool);
std::unique_ptr<PageCursor> text_cursor(const ParquetFile& file, int column, int group, PageSource source, arrow::MemoryPool* pool);

}  // namespace gristmill::io
