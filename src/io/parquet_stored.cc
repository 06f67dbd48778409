// Where a chunk lies is the library's rule, old writers' faults included.

#include "io/parquet_stored.h"

#include <algorithm>

#include <arrow/io/interfaces.h>
#include <arrow/util/compression.h>
#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include "io/parquet_page_stream.h"

namespace gristmill::io {
namespace {

constexpr int64_t kMissing = 100;  // bytes that old writers left out of a chunk's size: its dictionary's header

}  // namespace

StoredPages::StoredPages(const ParquetFile& file, std::shared_ptr<arrow::io::RandomAccessFile> in, arrow::MemoryPool* pool)
    : file_(file), in_(std::move(in)), pool_(pool) {}

StoredPages::~StoredPages() = default;

std::unique_ptr<parquet::PageReader> StoredPages::open(int group, int leaf) {
  const auto chunk = file_.metadata->RowGroup(group)->ColumnChunk(leaf);
  const parquet::ApplicationVersion& writer = file_.metadata->writer_version();
  if (chunk->compression() != parquet::Compression::ZSTD) return nullptr;
  int64_t begin = chunk->data_page_offset(), bytes = chunk->total_compressed_size();
  if (chunk->has_dictionary_page() && chunk->dictionary_page_offset() > 0) begin = std::min(begin, chunk->dictionary_page_offset());
  PARQUET_ASSIGN_OR_THROW(const int64_t size, in_->GetSize());
  if (begin < 0 || bytes < 0 || begin > size || bytes > size - begin) corrupt_page("a column chunk beyond the end of the file");
  if (writer.VersionLt(parquet::ApplicationVersion::PARQUET_816_FIXED_VERSION())) bytes += std::min(kMissing, size - begin - bytes);
  parquet::ReaderProperties properties = page_properties(file_, pool_);
  const bool compressed = writer.VersionLt(parquet::ApplicationVersion::PARQUET_CPP_10353_FIXED_VERSION());
  return parquet::PageReader::Open(properties.GetStream(in_, begin, bytes), chunk->num_values(), parquet::Compression::UNCOMPRESSED,
                                   properties, *file_.metadata->schema()->Column(leaf), compressed);
}

int64_t StoredPages::decompress_up_to(const uint8_t* in, int64_t bytes, uint8_t* out, int64_t most) {
  if (context_ == nullptr) {
    PARQUET_ASSIGN_OR_THROW(const auto codec, arrow::util::Codec::Create(arrow::Compression::ZSTD));
    PARQUET_ASSIGN_OR_THROW(context_, codec->MakeDecompressor());
  } else {
    PARQUET_THROW_NOT_OK(context_->Reset());
  }
  int64_t written = 0;
  while (bytes > 0 || !context_->IsFinished()) {
    PARQUET_ASSIGN_OR_THROW(const auto step, context_->Decompress(bytes, in, most - written, out + written));
    in += step.bytes_read;
    bytes -= step.bytes_read;
    written += step.bytes_written;
    if (step.bytes_read > 0 || step.bytes_written > 0) continue;
    if (written == most && step.need_more_output) return -1;
    corrupt_page("a compressed page ends early");
  }
  return written;
}

void StoredPages::decompress(const uint8_t* in, int64_t bytes, uint8_t* out, int64_t out_bytes) {
  if (decompress_up_to(in, bytes, out, out_bytes) != out_bytes) corrupt_page("a page of another size than its header says");
}

}  // namespace gristmill::io
