// A Parquet file put together from columns encoded apart from each other.
//
// encode_column() writes one column of one row group as a tiny Parquet file in memory; any number of threads may do so at
// once. ParquetAssembler copies the pages of such sections to the file one after another, moves every offset by
// where they came to lie, and writes one footer with statistics, page indexes and Bloom filters. The result is the
// file a single writer would have made of the same row groups.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/io/type_fwd.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/type_fwd.h>
#include <parquet/index_location.h>

namespace parquet {
class ColumnChunkMetaData;
class FileMetaData;
class FileMetaDataBuilder;
class RowGroupMetaDataBuilder;
class SchemaDescriptor;
class WriterProperties;
}  // namespace parquet

namespace gristmill::io {

struct EncodedColumn {
  std::shared_ptr<arrow::Buffer> file;
  std::shared_ptr<parquet::FileMetaData> metadata;
};

// Both throw what the Parquet library throws. `expected`: about how many bytes it will be, so that it is not moved while it grows.
arrow::Result<EncodedColumn> encode_column(const std::shared_ptr<arrow::Field>& field, const arrow::Array& values,
                                           const std::shared_ptr<parquet::WriterProperties>& properties, int64_t expected,
                                           arrow::MemoryPool* pool);

class ParquetAssembler {
 public:
  // `schema` as readers shall find it, kept in the footer too. Writes the file's first bytes.
  static arrow::Result<std::unique_ptr<ParquetAssembler>> open(std::shared_ptr<arrow::io::OutputStream> file, const arrow::Schema& schema,
                                                               std::shared_ptr<parquet::WriterProperties> properties);
  ~ParquetAssembler();

  // The fields of a row group in their order, each once; then the row group ends.
  arrow::Status append(const EncodedColumn& column);
  arrow::Status end_group(int64_t rows);
  arrow::Status finish();

 private:
  ParquetAssembler() = default;
  arrow::Status append_chunk(const EncodedColumn& column, const parquet::ColumnChunkMetaData& chunk, int64_t moved_by);
  void keep_indexes(const EncodedColumn& column, const parquet::ColumnChunkMetaData& chunk, int64_t moved_by);

  // Bytes that come behind all row groups.
  struct Index {
    parquet::ColumnChunkId chunk;
    std::string bytes;
  };
  arrow::Status write_indexes(const std::vector<Index>& indexes, parquet::IndexKind kind);

  std::shared_ptr<arrow::io::OutputStream> file_;
  std::shared_ptr<parquet::WriterProperties> properties_;
  std::shared_ptr<parquet::SchemaDescriptor> schema_;
  std::shared_ptr<parquet::FileMetaData> prototype_;  // of an empty file, for its key-value metadata
  std::unique_ptr<parquet::FileMetaDataBuilder> footer_;
  parquet::RowGroupMetaDataBuilder* group_ = nullptr;
  int32_t groups_ = 0;
  int32_t leaf_ = 0;
  int64_t group_bytes_ = 0;
  std::vector<Index> blooms_, column_indexes_, offset_indexes_;
};

}  // namespace gristmill::io
