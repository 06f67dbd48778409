// One column of an Arrow table, read by row ranges as canonical columns.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include <arrow/array/data.h>
#include <arrow/chunked_array.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include "column/column.h"

namespace gristmill::frame {

// Where each entry of a dictionary as it came lies in the imported one.
class DictionaryEntries {
 public:
  explicit DictionaryEntries(std::shared_ptr<arrow::ArrayData> dictionary) : dictionary_(std::move(dictionary)) {}

  // Rows of a chunk that uses this dictionary.
  arrow::Result<column::Column> import(const std::shared_ptr<arrow::ArrayData>& rows, arrow::MemoryPool* pool);

 private:
  arrow::Status prepare(const arrow::DataType& type);

  std::shared_ptr<arrow::ArrayData> dictionary_;
  std::once_flag once_;
  // Written once by prepare().
  arrow::Status status_;
  std::shared_ptr<arrow::ArrayData> entries_;  // null: a type that is not kept as a dictionary inside
  std::vector<int32_t> places_;                // -1: a null entry
  bool unchanged_ = true;                      // places_[i] == i
};

// Rows [begin, end) of the table. What an import has to go through row by row is imported by those who read it, a batch at a time, while
// it lies in the cache for whoever works on the batch: 10M texts as views were looked at a morsel at a time before, which brought all of
// them from memory twice.
class Piece {
 public:
  Piece(int64_t begin, int64_t end, column::Column values) : begin(begin), end(end), values_(std::move(values)) {}
  Piece(int64_t begin, int64_t end, std::shared_ptr<arrow::ArrayData> rows) : begin(begin), end(end), rows_(std::move(rows)) {}

  // Rows [from, to) of the table, all of this piece.
  arrow::Result<column::Column> read(int64_t from, int64_t to, arrow::MemoryPool* pool) const;

  int64_t begin = 0, end = 0;

 private:
  column::Column values_;                   // imported; or
  std::shared_ptr<arrow::ArrayData> rows_;  // as they came
};

class ChunkedColumn {
 public:
  // `ours`: the chunks are a result of the engine, so what column.h promises of views holds already.
  ChunkedColumn(const arrow::ChunkedArray& chunks, bool ours);

  // The rows [begin, end) as one piece a chunk, in order; no empty pieces.
  arrow::Result<std::vector<Piece>> read(int64_t begin, int64_t end, arrow::MemoryPool* pool) const;

 private:
  struct Chunk {
    int64_t begin = 0;
    std::shared_ptr<arrow::ArrayData> data;
    std::shared_ptr<DictionaryEntries> entries;  // dictionaries only; shared by chunks that share theirs
  };
  bool as_is_ = false;  // chunks need no import
  std::vector<Chunk> chunks_;
};

}  // namespace gristmill::frame
