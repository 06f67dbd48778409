// The pages of one file as they are stored, and what decompresses them, for all columns that one worker reads.
//
// The library makes a context for every page that it decompresses. ZSTD's is large and has to be set up: that was a tenth of the time
// of TPC-H's scans. So pages of ZSTD are read as if they were not compressed, and one context serves them all.
#pragma once

#include <cstdint>
#include <memory>

#include <arrow/io/type_fwd.h>
#include <arrow/memory_pool.h>
#include <arrow/type_fwd.h>

#include "io/parquet_file.h"

namespace arrow::util {
class Decompressor;
}
namespace parquet {
class PageReader;
class ReaderProperties;
}

namespace gristmill::io {

class StoredPages {
 public:
  // `in` is the file opened anew; `file` must outlive this.
  StoredPages(const ParquetFile& file, std::shared_ptr<arrow::io::RandomAccessFile> in, arrow::MemoryPool* pool);
  ~StoredPages();

  // The pages of a column chunk, still compressed; null when the library had better decompress them.
  std::unique_ptr<parquet::PageReader> open(int group, int leaf);
  // Into `out`, exactly `out_bytes`.
  void decompress(const uint8_t* in, int64_t bytes, uint8_t* out, int64_t out_bytes);
  // Of unknown size: how many bytes it came to; -1 when they are more than `most`.
  int64_t decompress_up_to(const uint8_t* in, int64_t bytes, uint8_t* out, int64_t most);

 private:
  std::shared_ptr<arrow::io::InputStream> stream(int group, int64_t begin, int64_t bytes, parquet::ReaderProperties& properties);
  int64_t group_bytes(int group);  // compressed, of all its columns

  const ParquetFile& file_;
  const std::shared_ptr<arrow::io::RandomAccessFile> in_;
  arrow::MemoryPool* const pool_;
  std::shared_ptr<arrow::util::Decompressor> context_;
  int known_group_ = -1;
  int64_t known_bytes_ = 0;
};

}  // namespace gristmill::io
