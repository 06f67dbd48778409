// Where a chunk lies is the library's rule, old writers' faults included.

#include "io/parquet_stored.h"

#include <algorithm>

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/io/memory.h>
#include <arrow/util/compression.h>
#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include "io/parquet_page_stream.h"

namespace gristmill::io {
namespace {

constexpr int64_t kWholeGroup = int64_t{8} << 20;  // of compressed bytes: all its chunks together may be in memory
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
  return parquet::PageReader::Open(stream(group, begin, bytes, properties), chunk->num_values(), parquet::Compression::UNCOMPRESSED,
                                   properties, *file_.metadata->schema()->Column(leaf), compressed);
}

// A chunk of a small row group is read at once, and its pages are looked at where they lie then.
std::shared_ptr<arrow::io::InputStream> StoredPages::stream(int group, int64_t begin, int64_t bytes,
                                                            parquet::ReaderProperties& properties) {
  if (!file_.input->local() || group_bytes(group) > kWholeGroup) return properties.GetStream(in_, begin, bytes);
  PARQUET_ASSIGN_OR_THROW(std::shared_ptr<arrow::Buffer> whole, arrow::AllocateBuffer(bytes, pool_));
  PARQUET_ASSIGN_OR_THROW(const int64_t read, in_->ReadAt(begin, bytes, whole->mutable_data()));
  if (read != bytes) corrupt_page("a column chunk beyond the end of the file");
  return std::make_shared<arrow::io::BufferReader>(std::move(whole));
}

int64_t StoredPages::group_bytes(int group) {
  if (group == known_group_) return known_bytes_;
  const auto metadata = file_.metadata->RowGroup(group);
  known_group_ = group;
  known_bytes_ = 0;
  for (int c = 0; c < metadata->num_columns(); ++c) {
    const int64_t bytes = metadata->ColumnChunk(c)->total_compressed_size();
    if (bytes < 0 || bytes > kWholeGroup) return known_bytes_ = kWholeGroup + 1;
    known_bytes_ += bytes;
  }
  return known_bytes_;
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
