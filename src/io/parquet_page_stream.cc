// Pages and definition levels.
//
// V1 pages: [u32 length, levels] values, all compressed. V2 pages: levels, then values, the lengths in the header. A
// required column has no levels; a flat optional one has levels of one bit.

#include "io/parquet_page_stream.h"

#include <cstring>

#include <parquet/arrow/reader.h>
#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>

#include "io/rle_decoder.h"

namespace gristmill::io {

void corrupt_page(const char* what) { throw parquet::ParquetException(what); }

PageStream::PageStream(const ParquetFile& file, int column, int group, parquet::arrow::FileReader& reader) {
  const int leaf = file.columns[column].leaves[0];
  stored_ = file.metadata->schema()->Column(leaf);
  group_ = reader.parquet_reader()->RowGroup(group);
  rows_ = group_->metadata()->num_rows();
  if (group_->metadata()->ColumnChunk(leaf)->num_values() != rows_) corrupt_page("a column chunk without a value for every row");
  pages_ = group_->GetColumnPageReader(leaf);
  pages_->set_data_page_filter([this](const parquet::DataPageStats& page) {
    if (page.num_values < 0 || page.num_values > *to_skip_) return false;
    *to_skip_ -= page.num_values;
    return true;
  });
}

PageStream::~PageStream() = default;

const PageStream::Page& PageStream::next(int64_t& to_skip, const std::function<void(const parquet::DictionaryPage&)>& on_dictionary) {
  to_skip_ = &to_skip;
  while (true) {
    held_ = pages_->NextPage();
    if (held_ == nullptr) corrupt_page("fewer values than the footer says");
    if (held_->type() == parquet::PageType::DICTIONARY_PAGE) {
      on_dictionary(static_cast<const parquet::DictionaryPage&>(*held_));
    } else if (held_->type() == parquet::PageType::DATA_PAGE || held_->type() == parquet::PageType::DATA_PAGE_V2) {
      open(*held_);
      if (page_.rows > 0) return page_;
    }
  }
}

void PageStream::open(const parquet::Page& page) {
  const auto& data_page = static_cast<const parquet::DataPage&>(page);
  page_ = {};
  page_.encoding = data_page.encoding();
  page_.rows = page_.valid = data_page.num_values();
  page_.values = page.data();
  page_.bytes = page.size();
  if (page_.rows < 0 || page_.rows > rows_) corrupt_page("a page of more values than its column chunk");
  if (page.type() == parquet::PageType::DATA_PAGE_V2) {
    const auto& v2 = static_cast<const parquet::DataPageV2&>(page);
    const int64_t repetition = v2.repetition_levels_byte_length(), definition = v2.definition_levels_byte_length();
    if (repetition < 0 || definition < 0 || repetition + definition > page_.bytes) corrupt_page("levels longer than their page");
    if (stored_->max_definition_level() > 0) read_levels(page_.values + repetition, definition, parquet::Encoding::RLE);
    page_.values += repetition + definition;
    page_.bytes -= repetition + definition;
    return;
  }
  if (stored_->max_definition_level() == 0) return;
  const auto encoding = static_cast<const parquet::DataPageV1&>(page).definition_level_encoding();
  int64_t bytes = (page_.rows + 7) / 8;
  if (encoding == parquet::Encoding::RLE) {
    uint32_t length = 0;
    if (page_.bytes < 4) corrupt_page("levels longer than their page");
    std::memcpy(&length, page_.values, 4);
    page_.values += 4;
    page_.bytes -= 4;
    bytes = length;
  }
  if (bytes > page_.bytes) corrupt_page("levels longer than their page");
  read_levels(page_.values, bytes, encoding);
  page_.values += bytes;
  page_.bytes -= bytes;
}

void PageStream::read_levels(const uint8_t* levels, int64_t bytes, parquet::Encoding::type encoding) {
  validity_.assign(static_cast<size_t>((page_.rows + 63) / 64 * 8 + 8), 0);
  if (encoding == parquet::Encoding::RLE) {
    RleDecoder decoder(levels, bytes, 1);
    page_.valid = decoder.read_bits(validity_.data(), page_.rows);
    if (page_.valid < 0) corrupt_page("definition levels end early");
  } else if (encoding == parquet::Encoding::BIT_PACKED) {  // of old writers: highest bit first
    page_.valid = 0;
    for (int64_t i = 0; i < page_.rows; ++i) {
      const int bit = (levels[i >> 3] >> (7 - (i & 7))) & 1;
      validity_[static_cast<size_t>(i >> 3)] |= static_cast<uint8_t>(bit << (i & 7));
      page_.valid += bit;
    }
  } else {
    corrupt_page("unknown encoding of definition levels");
  }
  if (page_.valid < page_.rows) page_.validity = validity_.data();
}

}  // namespace gristmill::io
