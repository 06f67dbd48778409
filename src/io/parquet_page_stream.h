// The data pages of one flat column chunk, one after another: decompressed, definition levels read into a bitmap, values
// left encoded. Pages that lie wholly among skipped rows are passed over by their headers, not decompressed.
//
// Throws the Parquet library's exceptions; cursors turn them into errors (guard_parquet).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <parquet/types.h>

#include "io/parquet_file.h"
#include "io/parquet_stored.h"

namespace parquet {
class ColumnDescriptor;
class DataPage;
class DictionaryPage;
class Page;
class PageReader;
class RowGroupReader;
}  // namespace parquet

namespace gristmill::io {

// Where a worker reads pages; both outlive the streams.
struct PageSource {
  parquet::arrow::FileReader& reader;
  StoredPages& stored;
};

class PageStream {
 public:
  PageStream(const ParquetFile& file, int column, int group, PageSource source, arrow::MemoryPool* pool);
  ~PageStream();

  struct Page {
    parquet::Encoding::type encoding = parquet::Encoding::PLAIN;
    const uint8_t* values = nullptr;  // encoded, `bytes` of them; valid until the next page
    int64_t bytes = 0;
    int64_t rows = 0;
    int64_t valid = 0;                  // values that are there
    const uint8_t* validity = nullptr;  // bit per row; null = all valid
  };

  // The next page that has a row beyond the first `to_skip` ones; `to_skip` falls by the rows of the pages passed over.
  // A dictionary page on the way goes to `on_dictionary`.
  const Page& next(int64_t& to_skip, const std::function<void(const parquet::DictionaryPage&)>& on_dictionary);

  // What the page's values lie in, for as long as wanted, with slack behind it. Null: they are the library's.
  std::shared_ptr<arrow::Buffer> take_values();

  const parquet::ColumnDescriptor& stored() const { return *stored_; }
  int64_t rows() const { return rows_; }  // of the whole chunk

 private:
  void open(const parquet::DataPage& page);
  void decompress(const parquet::DataPage& page, int64_t levels);
  void decompress_dictionary(const parquet::DictionaryPage& page, const std::function<void(const parquet::DictionaryPage&)>& on_dictionary);
  uint8_t* room(int64_t bytes);
  void read_levels(const uint8_t* levels, int64_t bytes, parquet::Encoding::type encoding);

  const parquet::ColumnDescriptor* stored_;
  std::shared_ptr<parquet::RowGroupReader> group_;
  std::unique_ptr<parquet::PageReader> pages_;
  StoredPages* stored_pages_ = nullptr;  // null: the library decompresses
  std::shared_ptr<arrow::ResizableBuffer> plain_;
  arrow::MemoryPool* const pool_;
  int64_t* to_skip_ = nullptr;
  std::shared_ptr<parquet::Page> held_;
  std::vector<uint8_t> validity_;
  Page page_;
  int64_t rows_ = 0;
};

[[noreturn]] void corrupt_page(const char* what);

}  // namespace gristmill::io
