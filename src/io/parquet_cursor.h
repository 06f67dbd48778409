// Reads one column of one row group from front to back, a few thousand rows at a time.
//
// A cursor either reads or skips; what is skipped is decoded only if there is no cheaper way past it. Cursors
// belong to one worker and must not outlive the file reader they were made from.
//
// There are two: pages (parquet_pages.h) decodes flat columns itself, skips whole pages unseen and hands string
// dictionaries on; arrow goes through Arrow's reader and takes every type. Both give the same values.
#pragma once

#include <cstdint>
#include <memory>

#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/column.h"
#include "column/selection.h"
#include "io/parquet_file.h"

namespace gristmill::io {

class ParquetCursor {
 public:
  virtual ~ParquetCursor() = default;
  // The next `rows` rows, exactly; the row group has that many left. Of rows that are not among `wanted` (null: all are) the values may
  // be anything, not even initialised.
  virtual arrow::Result<column::Column> read(int64_t rows, const column::Mask* wanted) = 0;
  virtual void skip(int64_t rows) = 0;
};

std::unique_ptr<ParquetCursor> arrow_cursor(const ParquetFile& file, int column, int group, parquet::arrow::FileReader& reader,
                                            arrow::MemoryPool* pool);

}  // namespace gristmill::io
