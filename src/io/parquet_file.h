// One Parquet file as a scan sees it: the footer, read once and shared, and its columns as the engine's types.
//
// Everything that can be wrong with a file before its pages are read is found here, so that a scan is refused when it
// is made and not in the middle of a query: foreign and truncated files, encrypted columns, types the engine does not carry.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "column/types.h"
#include "io/open_input.h"

namespace parquet {
class FileMetaData;
class ReaderProperties;
}
namespace parquet::arrow {
class FileReader;
}

namespace gristmill::io {

struct ParquetColumn {
  std::shared_ptr<arrow::Field> field;  // border type: dictionaries as their values, extensions as their storage
  column::TypePtr inside;               // canonical
  std::vector<int> leaves;              // column chunks of the file, in order; one for a flat column
  bool flat = false;
  bool direct = false;  // flat, and a stored value is the value inside but for its width and byte order
};

struct ParquetFile {
  std::string path;
  InputPtr input;
  std::shared_ptr<parquet::FileMetaData> metadata;
  std::vector<ParquetColumn> columns;
  std::vector<int64_t> group_first;  // first row of each row group, and the number of rows at the end
  int64_t rows() const { return group_first.back(); }
};

arrow::Result<std::shared_ptr<const ParquetFile>> read_footer(const InputPtr& input);

// A reader over `in`, which is the file opened anew, and the shared footer; `file` must outlive it. Single threaded, reads through
// small buffers from `pool`.
arrow::Result<std::unique_ptr<parquet::arrow::FileReader>> open_parquet(const ParquetFile& file,
                                                                        std::shared_ptr<arrow::io::RandomAccessFile> in,
                                                                        arrow::MemoryPool* pool, int64_t batch_rows);

// How such a reader reads its pages.
parquet::ReaderProperties page_properties(const ParquetFile& file, arrow::MemoryPool* pool);

// What Arrow says about a file's bytes, as our IoError naming file and column; errors of ours and of memory pass as they are.
arrow::Status damaged(const std::string& path, const arrow::Status& status, std::string_view column = {});

// Runs `f`, which returns a Status or Result, turning the Parquet library's exceptions into damaged().
arrow::Status exception_status();  // of the exception being handled
template <typename F>
auto guard_parquet(const std::string& path, std::string_view column, F&& f) -> decltype(f()) {
  try {
    return f();
  } catch (...) {
    return damaged(path, exception_status(), column);
  }
}

}  // namespace gristmill::io
