// Sections and their assembly.
//
// Layout: "PAR1", row groups (each the pages of its column chunks), Bloom filters, column indexes, offset indexes, footer,
// footer length, "PAR1". Offsets live in the column chunks' metadata and in the offset indexes, and only these change.

#include "io/parquet_section.h"

#include <map>

#include <arrow/array/array_base.h>
#include <arrow/io/memory.h>
#include <arrow/type.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_reader.h>
#include <parquet/file_writer.h>
#include <parquet/metadata.h>
#include <parquet/page_index.h>
#include <parquet/properties.h>
#include <parquet/schema.h>
#include <parquet/size_statistics.h>
#include <parquet/statistics.h>

#include "base/status.h"

namespace gristmill::io {
namespace {

std::shared_ptr<parquet::FileMetaData> read_metadata(const std::shared_ptr<arrow::Buffer>& file) {
  return parquet::ReadMetaData(std::make_shared<arrow::io::BufferReader>(file));
}

std::string bytes_of(const arrow::Buffer& file, int64_t offset, int64_t length) {
  return std::string(reinterpret_cast<const char*>(file.data()) + offset, static_cast<size_t>(length));
}

int64_t first_byte(const parquet::ColumnChunkMetaData& chunk) {
  return chunk.has_dictionary_page() ? chunk.dictionary_page_offset() : chunk.data_page_offset();
}

bool is_dictionary_encoding(parquet::Encoding::type e) {
  return e == parquet::Encoding::RLE_DICTIONARY || e == parquet::Encoding::PLAIN_DICTIONARY;
}

std::string moved_offset_index(const std::string& bytes, int64_t moved_by) {
  const auto index = parquet::OffsetIndex::Make(bytes.data(), static_cast<uint32_t>(bytes.size()), parquet::default_reader_properties());
  const auto builder = parquet::OffsetIndexBuilder::Make();
  const auto& pages = index->page_locations();
  const auto& sizes = index->unencoded_byte_array_data_bytes();
  for (size_t i = 0; i < pages.size(); ++i) {
    const auto size = i < sizes.size() ? std::optional<int64_t>(sizes[i]) : std::nullopt;
    builder->AddPage(pages[i].offset, pages[i].compressed_page_size, pages[i].first_row_index, size);
  }
  builder->Finish(moved_by);
  const auto out = *arrow::io::BufferOutputStream::Create();
  builder->WriteTo(out.get());
  return (*out->Finish())->ToString();
}

}  // namespace

arrow::Result<EncodedColumn> encode_column(const std::shared_ptr<arrow::Field>& field, const arrow::Array& values,
                                           const std::shared_ptr<parquet::WriterProperties>& properties, int64_t expected,
                                           arrow::MemoryPool* pool) {
  constexpr int64_t kRoom = 1 << 16;
  ARROW_ASSIGN_OR_RAISE(const auto out, arrow::io::BufferOutputStream::Create(expected + expected / 16 + kRoom, pool));
  const auto arrow_properties = parquet::ArrowWriterProperties::Builder().set_use_threads(false)->build();
  ARROW_ASSIGN_OR_RAISE(const auto writer,
                        parquet::arrow::FileWriter::Open(arrow::Schema({field}), pool, out, properties, arrow_properties));
  ARROW_RETURN_NOT_OK(writer->NewRowGroup());
  ARROW_RETURN_NOT_OK(writer->WriteColumnChunk(values));
  ARROW_RETURN_NOT_OK(writer->Close());
  EncodedColumn encoded;
  ARROW_ASSIGN_OR_RAISE(encoded.file, out->Finish());
  encoded.metadata = read_metadata(encoded.file);
  return encoded;
}

ParquetAssembler::~ParquetAssembler() = default;

arrow::Result<std::unique_ptr<ParquetAssembler>> ParquetAssembler::open(std::shared_ptr<arrow::io::OutputStream> file,
                                                                        const arrow::Schema& schema,
                                                                        std::shared_ptr<parquet::WriterProperties> properties) {
  // An empty file tells what the library notes about the schema.
  ARROW_ASSIGN_OR_RAISE(const auto empty, arrow::io::BufferOutputStream::Create());
  const auto arrow_properties = parquet::ArrowWriterProperties::Builder().store_schema()->set_use_threads(false)->build();
  ARROW_ASSIGN_OR_RAISE(const auto writer,
                        parquet::arrow::FileWriter::Open(schema, arrow::default_memory_pool(), empty, properties, arrow_properties));
  ARROW_RETURN_NOT_OK(writer->Close());
  ARROW_ASSIGN_OR_RAISE(const auto bytes, empty->Finish());
  std::unique_ptr<ParquetAssembler> out(new ParquetAssembler());
  out->file_ = std::move(file);
  out->properties_ = std::move(properties);
  out->prototype_ = read_metadata(bytes);
  ARROW_RETURN_NOT_OK(parquet::arrow::ToParquetSchema(&schema, *out->properties_, *arrow_properties, &out->schema_));
  out->footer_ = parquet::FileMetaDataBuilder::Make(out->schema_.get(), out->properties_);
  ARROW_RETURN_NOT_OK(out->file_->Write("PAR1", 4));
  return out;
}

arrow::Status ParquetAssembler::append(const EncodedColumn& column) {
  if (group_ == nullptr) {
    group_ = footer_->AppendRowGroup();
    leaf_ = 0;
    group_bytes_ = 0;
  }
  const auto section = column.metadata->RowGroup(0);
  ARROW_ASSIGN_OR_RAISE(const int64_t at, file_->Tell());
  const int64_t begin = first_byte(*section->ColumnChunk(0));
  int64_t end = begin;
  for (int i = 0; i < section->num_columns(); ++i) {
    const auto chunk = section->ColumnChunk(i);
    if (first_byte(*chunk) != end) return base::internal_error("column chunks of a section do not follow each other");
    end += chunk->total_compressed_size();
    ARROW_RETURN_NOT_OK(append_chunk(column, *chunk, at - begin));
  }
  return file_->Write(column.file->data() + begin, end - begin);
}

arrow::Status ParquetAssembler::append_chunk(const EncodedColumn& column, const parquet::ColumnChunkMetaData& chunk, int64_t moved_by) {
  parquet::ColumnChunkMetaDataBuilder* const builder = group_->NextColumnChunk();
  if (const auto statistics = chunk.encoded_statistics()) {
    // Not stored, so not read back: whether the old fields for bounds, which know signed order only, may be written too.
    statistics->set_is_signed(builder->descr()->sort_order() == parquet::SortOrder::SIGNED);
    builder->SetStatistics(*statistics);
  }
  if (const auto sizes = chunk.size_statistics()) builder->SetSizeStatistics(*sizes);
  std::map<parquet::Encoding::type, int32_t> dictionary_pages, data_pages;
  bool plain_page = false;
  for (const auto& s : chunk.encoding_stats()) {
    const bool dictionary = s.page_type == parquet::PageType::DICTIONARY_PAGE;
    (dictionary ? dictionary_pages : data_pages)[s.encoding] += s.count;
    plain_page = plain_page || (!dictionary && !is_dictionary_encoding(s.encoding));
  }
  const bool has_dictionary = chunk.has_dictionary_page();
  builder->Finish(chunk.num_values(), has_dictionary ? chunk.dictionary_page_offset() + moved_by : -1, -1,
                  chunk.data_page_offset() + moved_by, chunk.total_compressed_size(), chunk.total_uncompressed_size(), has_dictionary,
                  has_dictionary && plain_page, dictionary_pages, data_pages);
  keep_indexes(column, chunk, moved_by);
  group_bytes_ += chunk.total_uncompressed_size();
  ++leaf_;
  return arrow::Status::OK();
}

void ParquetAssembler::keep_indexes(const EncodedColumn& column, const parquet::ColumnChunkMetaData& chunk, int64_t moved_by) {
  const parquet::ColumnChunkId id{groups_, leaf_};
  if (chunk.bloom_filter_offset().has_value() && chunk.bloom_filter_length().has_value()) {
    blooms_.push_back({id, bytes_of(*column.file, *chunk.bloom_filter_offset(), *chunk.bloom_filter_length())});
  }
  if (const auto at = chunk.GetColumnIndexLocation()) column_indexes_.push_back({id, bytes_of(*column.file, at->offset, at->length)});
  if (const auto at = chunk.GetOffsetIndexLocation()) {
    offset_indexes_.push_back({id, moved_offset_index(bytes_of(*column.file, at->offset, at->length), moved_by)});
  }
}

arrow::Status ParquetAssembler::end_group(int64_t rows) {
  if (group_ == nullptr) group_ = footer_->AppendRowGroup();  // a table without columns
  group_->set_num_rows(rows);
  group_->Finish(group_bytes_);
  group_ = nullptr;
  ++groups_;
  return arrow::Status::OK();
}

arrow::Status ParquetAssembler::write_indexes(const std::vector<Index>& indexes, parquet::IndexKind kind) {
  if (indexes.empty()) return arrow::Status::OK();
  parquet::IndexLocations locations;
  for (const Index& index : indexes) {
    ARROW_ASSIGN_OR_RAISE(const int64_t at, file_->Tell());
    locations.emplace_back(index.chunk, parquet::IndexLocation{at, static_cast<int32_t>(index.bytes.size())});
    ARROW_RETURN_NOT_OK(file_->Write(index.bytes.data(), static_cast<int64_t>(index.bytes.size())));
  }
  footer_->SetIndexLocations(kind, locations);
  return arrow::Status::OK();
}

arrow::Status ParquetAssembler::finish() {
  ARROW_RETURN_NOT_OK(write_indexes(blooms_, parquet::IndexKind::kBloomFilter));
  ARROW_RETURN_NOT_OK(write_indexes(column_indexes_, parquet::IndexKind::kColumnIndex));
  ARROW_RETURN_NOT_OK(write_indexes(offset_indexes_, parquet::IndexKind::kOffsetIndex));
  const auto metadata = footer_->Finish(prototype_->key_value_metadata());
  parquet::WriteFileMetaData(*metadata, file_.get());
  return arrow::Status::OK();
}

}  // namespace gristmill::io
