// Pages and definition levels.
//
// V1 pages: [u32 length, levels] values, all compressed. V2 pages: levels, then values, the lengths in the header. A
// required column has no levels; a flat optional one has levels of one bit.

#include "io/parquet_page_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <arrow/buffer.h>
#include <parquet/arrow/reader.h>
#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>

#include "column/buffers.h"
#include "io/rle_decoder.h"

namespace gristmill::io {
namespace {

constexpr int64_t kEntry = 16, kFirstRoom = int64_t{1} << 20;  // guessed of a dictionary
constexpr int64_t kMostDictionary = int64_t{1} << 33;          // sizes are of 31 bits, room grows by four

}  // namespace

void corrupt_page(const char* what) { throw parquet::ParquetException(what); }

PageStream::PageStream(const ParquetFile& file, int column, int group, PageSource source, arrow::MemoryPool* pool) : pool_(pool) {
  const int leaf = file.columns[column].leaves[0];
  stored_ = file.metadata->schema()->Column(leaf);
  group_ = source.reader.parquet_reader()->RowGroup(group);
  rows_ = group_->metadata()->num_rows();
  if (group_->metadata()->ColumnChunk(leaf)->num_values() != rows_) corrupt_page("a column chunk without a value for every row");
  pages_ = source.stored.open(group, leaf);
  if (pages_ != nullptr) stored_pages_ = &source.stored;
  if (pages_ == nullptr) pages_ = group_->GetColumnPageReader(leaf);
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
      const auto& page = static_cast<const parquet::DictionaryPage&>(*held_);
      stored_pages_ != nullptr ? decompress_dictionary(page, on_dictionary) : on_dictionary(page);
    } else if (held_->type() == parquet::PageType::DATA_PAGE || held_->type() == parquet::PageType::DATA_PAGE_V2) {
      open(static_cast<const parquet::DataPage&>(*held_));
      if (page_.rows > 0) return page_;
    }
  }
}

std::shared_ptr<arrow::Buffer> PageStream::take_values() {
  if (stored_pages_ == nullptr || plain_ == nullptr || page_.bytes == 0) return nullptr;
  if (page_.values < plain_->data() || page_.values + page_.bytes > plain_->data() + plain_->size()) return nullptr;
  return std::exchange(plain_, nullptr);
}

uint8_t* PageStream::room(int64_t bytes) {
  bytes += column::kStoreSlack;
  if (plain_ == nullptr) {
    PARQUET_ASSIGN_OR_THROW(plain_, arrow::AllocateResizableBuffer(bytes, pool_));
  } else if (plain_->size() < bytes) {
    PARQUET_THROW_NOT_OK(plain_->Resize(bytes, /*shrink_to_fit=*/false));
  }
  return plain_->mutable_data();
}

// The first `levels` bytes of the page are stored as they are.
void PageStream::decompress(const parquet::DataPage& page, int64_t levels) {
  const int64_t bytes = page.uncompressed_size();
  if (levels > bytes || levels > page.size()) corrupt_page("levels longer than their page");
  uint8_t* const out = room(bytes);
  if (levels > 0) std::memcpy(out, page.data(), static_cast<size_t>(levels));
  if (bytes > levels) stored_pages_->decompress(page.data() + levels, page.size() - levels, out + levels, bytes - levels);
  page_.values = out;
  page_.bytes = bytes;
}

// The page does not say how long it is.
void PageStream::decompress_dictionary(const parquet::DictionaryPage& page,
                                       const std::function<void(const parquet::DictionaryPage&)>& on_dictionary) {
  if (page.size() == 0) return on_dictionary(page);
  int64_t bytes = -1, most = std::max(int64_t{page.size()} * 4, std::min(int64_t{page.num_values()} * kEntry, kFirstRoom));
  for (; bytes < 0; most *= 4) {
    if (most > kMostDictionary) corrupt_page("a dictionary of more than 2 GiB");
    bytes = stored_pages_->decompress_up_to(page.data(), page.size(), room(most), most);
  }
  on_dictionary(parquet::DictionaryPage(arrow::SliceBuffer(plain_, 0, bytes), page.num_values(), page.encoding(), page.is_sorted()));
}

void PageStream::open(const parquet::DataPage& page) {
  page_ = {};
  page_.encoding = page.encoding();
  page_.rows = page_.valid = page.num_values();
  page_.values = page.data();
  page_.bytes = page.size();
  if (page_.rows < 0 || page_.rows > rows_) corrupt_page("a page of more values than its column chunk");
  if (page.type() == parquet::PageType::DATA_PAGE_V2) {
    const auto& v2 = static_cast<const parquet::DataPageV2&>(page);
    const int64_t repetition = v2.repetition_levels_byte_length(), definition = v2.definition_levels_byte_length();
    if (repetition < 0 || definition < 0 || repetition + definition > page_.bytes) corrupt_page("levels longer than their page");
    if (stored_pages_ != nullptr && v2.is_compressed()) decompress(page, repetition + definition);
    if (stored_->max_definition_level() > 0) read_levels(page_.values + repetition, definition, parquet::Encoding::RLE);
    page_.values += repetition + definition;
    page_.bytes -= repetition + definition;
    return;
  }
  if (stored_pages_ != nullptr) decompress(page, 0);
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
