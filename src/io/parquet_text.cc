// Text and bytes: plain pages and dictionaries as 16-byte views.
//
// Views of long values point into their page, into a copy of it (where the page is the library's and will be overwritten) or into
// the dictionary, which is there once for the whole row group. While all pages of a result are indices into a dictionary
// of moderate size without repeated entries, the result is a dictionary column; else its rows are views.
//
// Text is checked to be UTF-8: a dictionary once, other values as they are met.

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <arrow/type.h>
#include <arrow/util/utf8.h>
#include <parquet/column_page.h>
#include <parquet/encoding.h>
#include <parquet/exception.h>
#include <parquet/schema.h>

#include "column/buffers.h"
#include "io/parquet_pages.h"
#include "io/rle_decoder.h"

namespace gristmill::io {
namespace {

using column::View16;

constexpr int64_t kLargestDictionary = 4096;

std::shared_ptr<arrow::Buffer> allocated(int64_t bytes, arrow::MemoryPool* pool) {
  auto made = column::allocate_buffer(bytes, pool);
  PARQUET_THROW_NOT_OK(made.status());
  return std::move(*made);
}

bool is_ascii(const uint8_t* p, int64_t size) {
  uint64_t high = 0;
  int64_t i = 0;
  for (; i + 8 <= size; i += 8) {
    uint64_t word;
    std::memcpy(&word, p + i, 8);
    high |= word;
  }
  uint64_t tail = 0;
  std::memcpy(&tail, p + i, static_cast<size_t>(size - i));
  return ((high | tail) & 0x8080808080808080u) == 0;
}

// Bytes 4 to 11 of a value of up to 12 bytes: those that are its own.
constexpr uint64_t tail_mask(uint32_t size) { return size <= 4 ? 0 : size >= 12 ? ~uint64_t{0} : (uint64_t{1} << (8 * (size - 4))) - 1; }
constexpr uint64_t kTailMask[13] = {tail_mask(0), tail_mask(1), tail_mask(2), tail_mask(3),  tail_mask(4),  tail_mask(5), tail_mask(6),
                                    tail_mask(7), tail_mask(8), tail_mask(9), tail_mask(10), tail_mask(11), tail_mask(12)};
constexpr uint32_t kHeadMask[5] = {0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF};

// The view of `size` bytes at `p`, which lie at `offset` of buffer `buffer`. At least 12 bytes can be read from `p`. Short
// and long values lie side by side in most columns, so there is no branch on the size.
inline View16 make_view(const uint8_t* p, uint32_t size, int32_t buffer, int64_t offset) {
  uint32_t head;
  uint64_t tail;
  std::memcpy(&head, p, 4);
  std::memcpy(&tail, p + 4, 8);
  const uint64_t place = static_cast<uint32_t>(buffer) | static_cast<uint64_t>(offset) << 32;
  const uint64_t inlined = tail & kTailMask[std::min<uint32_t>(size, 12)];
  const uint64_t words[2] = {size | static_cast<uint64_t>(head & kHeadMask[std::min<uint32_t>(size, 4)]) << 32,
                             size > 12 ? place : inlined};
  View16 v;
  std::memcpy(&v, words, sizeof v);
  return v;
}

// [u32 length, bytes] after one another in a buffer of our own, which has slack behind its end.
struct PlainValues {
  std::shared_ptr<arrow::Buffer> bytes;
  int64_t at = 0, end = 0;
  bool ascii = false;  // all bytes, lengths too: no value needs to be looked at

  // Where the next value's bytes begin; `size` is theirs.
  int64_t next(uint32_t& size) {
    if (at + 4 > end) corrupt_page("a page ends early");
    std::memcpy(&size, bytes->data() + at, 4);
    const int64_t begin = at + 4;
    if (begin + size > end) corrupt_page("a value longer than its page");
    at = begin + size;
    return begin;
  }
};

PlainValues copied(const uint8_t* data, int64_t bytes, arrow::MemoryPool* pool) {
  PlainValues out{allocated(bytes, pool), 0, bytes, false};
  if (bytes > 0) std::memcpy(out.bytes->mutable_data(), data, static_cast<size_t>(bytes));
  out.ascii = is_ascii(out.bytes->data(), bytes);
  return out;
}

class TextCursor final : public PageCursor {
 public:
  TextCursor(const ParquetFile& file, int column, int group, PageSource source, arrow::MemoryPool* pool)
      : PageCursor(file, column, group, source, pool), check_utf8_(type()->id() == arrow::Type::STRING_VIEW) {
    if (check_utf8_) arrow::util::InitializeUTF8();
  }

 private:
  void check(const uint8_t* p, uint32_t size) const {
    if (check_utf8_ && !is_ascii(p, size) && !arrow::util::ValidateUTF8(p, size)) corrupt_page("text that is not UTF-8");
  }

  void on_dictionary(const parquet::DictionaryPage& page) override {
    const int64_t n = page.num_values();
    if (n < 0) corrupt_page("a dictionary with a negative number of values");
    PlainValues values = copied(page.data(), page.size(), pool());
    auto views = allocated(n * 16, pool());
    auto* to = reinterpret_cast<View16*>(views->mutable_data());
    std::unordered_set<std::string_view> seen;
    bool unique = n > 0 && n <= kLargestDictionary && n <= chunk_rows() / 2;
    for (int64_t i = 0; i < n; ++i) {
      uint32_t size = 0;
      const int64_t at = values.next(size);
      const uint8_t* p = values.bytes->data() + at;
      if (!values.ascii) check(p, size);
      to[i] = make_view(p, size, 0, at);
      if (unique) unique = seen.emplace(reinterpret_cast<const char*>(p), size).second;
    }
    dictionary_ = arrow::ArrayData::Make(type(), n, {nullptr, std::move(views), values.bytes}, 0);
    hand_on_ = unique;
  }

  void start_page(const PageStream::Page& page) override {
    foreign_.reset();
    in_dictionary_ = page.encoding == parquet::Encoding::RLE_DICTIONARY || page.encoding == parquet::Encoding::PLAIN_DICTIONARY;
    if (in_dictionary_) {
      if (page.valid > 0 && (page.bytes < 1 || page.values[0] > 32 || dictionary_ == nullptr))
        corrupt_page("a page of indices without a dictionary");
      indices_ = page.bytes < 1 ? RleDecoder() : RleDecoder(page.values + 1, page.bytes - 1, page.values[0]);
    } else if (page.encoding == parquet::Encoding::PLAIN) {
      plain_ = plain_values(page);
    } else {
      foreign_ = parquet::MakeTypedDecoder<parquet::ByteArrayType>(page.encoding, &stored(), pool());
      foreign_->SetData(static_cast<int>(page.valid), page.values, static_cast<int>(page.bytes));
    }
  }

  PlainValues plain_values(const PageStream::Page& page) {
    auto kept = take_values();
    if (kept == nullptr) return copied(page.values, page.bytes, pool());
    const int64_t at = page.values - kept->data();
    return {std::move(kept), at, at + page.bytes, is_ascii(page.values, page.bytes)};
  }

  void skip_values(int64_t n) override {
    if (in_dictionary_) {
      if (!indices_.skip(n)) corrupt_page("a page ends early");
    } else if (foreign_ != nullptr) {
      take_foreign(n);
    } else {
      uint32_t size = 0;
      for (int64_t i = 0; i < n; ++i) plain_.next(size);
    }
  }

  void begin(int64_t rows) override {
    rows_ = rows;
    views_.reset();
    index_column_.reset();
    buffers_.clear();
    if (dictionary_ != nullptr) buffers_.push_back(dictionary_->buffers[2]);
  }

  void decode(int64_t at, int64_t n, int64_t valid) override {
    if (in_dictionary_ && hand_on_ && views_ == nullptr) {
      if (index_column_ == nullptr) index_column_ = allocated(rows_ * 4, pool());
      auto* out = reinterpret_cast<uint32_t*>(index_column_->mutable_data()) + at;
      read_indices(out, valid);
      spread(reinterpret_cast<uint8_t*>(out), 4, n, valid);
      return;
    }
    if (views_ == nullptr) start_views(at);
    View16* out = reinterpret_cast<View16*>(views_->mutable_data()) + at;
    if (in_dictionary_) {
      index_.resize(static_cast<size_t>(valid));
      read_indices(index_.data(), valid);
      if (valid > 0) look_up(index_.data(), valid, out);
    } else if (foreign_ != nullptr) {
      decode_foreign(valid, out);
    } else {
      decode_plain(valid, out);
    }
    spread(reinterpret_cast<uint8_t*>(out), 16, n, valid);
  }

  // The dictionary's page may come after begin(): its buffer then takes the place it would have had.
  void start_views(int64_t at) {
    views_ = allocated(rows_ * 16, pool());
    if (dictionary_ != nullptr && buffers_.empty()) buffers_.push_back(dictionary_->buffers[2]);
    if (index_column_ == nullptr) return;
    // Nulls so far have index 0: their views are somebody's, but readable.
    look_up(reinterpret_cast<const uint32_t*>(index_column_->data()), at, reinterpret_cast<View16*>(views_->mutable_data()));
    index_column_.reset();
  }

  void read_indices(uint32_t* out, int64_t n) {
    if (!indices_.read(out, n)) corrupt_page("a page ends early");
    uint32_t greatest = 0;
    for (int64_t i = 0; i < n; ++i) greatest = std::max(greatest, out[i]);
    if (n > 0 && greatest >= dictionary_->length) corrupt_page("an index beyond the dictionary");
  }

  void look_up(const uint32_t* indices, int64_t n, View16* out) const {
    const auto* from = reinterpret_cast<const View16*>(dictionary_->buffers[1]->data());
    for (int64_t i = 0; i < n; ++i) out[i] = from[indices[i]];
  }

  void decode_plain(int64_t n, View16* out) {
    if (n == 0) return;
    if (buffers_.empty() || buffers_.back() != plain_.bytes) buffers_.push_back(plain_.bytes);
    const auto buffer = static_cast<int32_t>(buffers_.size() - 1);
    const uint8_t* const bytes = plain_.bytes->data();
    for (int64_t i = 0; i < n; ++i) {
      uint32_t size = 0;
      const int64_t at = plain_.next(size);
      if (!plain_.ascii) check(bytes + at, size);
      out[i] = make_view(bytes + at, size, buffer, at);
    }
  }

  void take_foreign(int64_t n) {
    taken_.resize(static_cast<size_t>(n));
    if (foreign_->Decode(taken_.data(), static_cast<int>(n)) != n) corrupt_page("a page ends early");
  }

  void decode_foreign(int64_t n, View16* out) {
    if (n == 0) return;
    take_foreign(n);
    int64_t bytes = 0;
    for (const auto& v : taken_) bytes += v.len;
    if (bytes > INT32_MAX) corrupt_page("a page of more than 2 GiB");
    const auto copy = allocated(bytes, pool());
    buffers_.push_back(copy);
    int64_t at = 0;
    for (int64_t i = 0; i < n; ++i) {
      uint8_t* p = copy->mutable_data() + at;
      if (taken_[i].len > 0) std::memcpy(p, taken_[i].ptr, taken_[i].len);
      check(p, taken_[i].len);
      out[i] = make_view(p, taken_[i].len, static_cast<int32_t>(buffers_.size() - 1), at);
      at += taken_[i].len;
    }
  }

  column::Column finish(int64_t rows, std::shared_ptr<arrow::Buffer> validity, int64_t nulls) override {
    if (nulls == 0) validity.reset();
    if (index_column_ != nullptr) {
      auto indices = column::make_array(arrow::int32(), rows, std::move(validity), nulls, std::move(index_column_));
      return column::Column::dict(std::move(indices), dictionary_);
    }
    std::vector<std::shared_ptr<arrow::Buffer>> buffers{std::move(validity), std::move(views_)};
    buffers.insert(buffers.end(), buffers_.begin(), buffers_.end());
    return column::Column::flat(arrow::ArrayData::Make(type(), rows, std::move(buffers), nulls));
  }

  const bool check_utf8_;
  std::shared_ptr<arrow::ArrayData> dictionary_;
  bool hand_on_ = false;  // whether indices may leave as a dictionary column

  bool in_dictionary_ = false;  // the page at hand: indices, a copy of plain values, or another encoding
  RleDecoder indices_;
  PlainValues plain_;
  std::unique_ptr<parquet::ByteArrayDecoder> foreign_;

  int64_t rows_ = 0;  // the result at hand: indices so far, or views and what they point into
  std::shared_ptr<arrow::Buffer> index_column_;
  std::shared_ptr<arrow::Buffer> views_;
  std::vector<std::shared_ptr<arrow::Buffer>> buffers_;
  std::vector<uint32_t> index_;
  std::vector<parquet::ByteArray> taken_;
};

}  // namespace

std::unique_ptr<PageCursor> text_cursor(const ParquetFile& file, int column, int group, PageSource source, arrow::MemoryPool* pool) {
  return std::make_unique<TextCursor>(file, column, group, source, pool);
}

}  // namespace gristmill::io
