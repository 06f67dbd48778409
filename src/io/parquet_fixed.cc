// Numbers, dates, times and decimals, and bools.
//
// A stored value becomes the value inside by one of a few conversions: copied, narrowed, widened to 128 bits, or turned from
// big-endian bytes. A dictionary is converted once; its pages are then gathers. Encodings that are neither plain nor dictionary
// go through the Parquet library's decoders, value by value the same.

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include <arrow/type.h>
#include <parquet/column_page.h>
#include <parquet/encoding.h>
#include <parquet/exception.h>
#include <parquet/schema.h>

#include "column/bits.h"
#include "column/buffers.h"
#include "io/parquet_pages.h"
#include "io/rle_decoder.h"

namespace gristmill::io {
namespace {

// n stored values at `in` -> values inside at `out`; `width` is that of a stored value.
using Convert = void (*)(const uint8_t* in, int64_t n, int width, uint8_t* out);

void copy_values(const uint8_t* in, int64_t n, int width, uint8_t* out) {
  if (n > 0) std::memcpy(out, in, static_cast<size_t>(n * width));
}

template <typename Stored, typename Inside>
void convert_values(const uint8_t* in, int64_t n, int, uint8_t* out) {
  for (int64_t i = 0; i < n; ++i) {
    Stored v;
    std::memcpy(&v, in + i * static_cast<int64_t>(sizeof v), sizeof v);
    const Inside w = static_cast<Inside>(v);
    std::memcpy(out + i * static_cast<int64_t>(sizeof w), &w, sizeof w);
  }
}

// f(i) for those of the rows at .. at + n that are wanted, i from 0.
template <typename F>
void for_wanted(const column::Mask& wanted, int64_t at, int64_t n, F&& f) {
  for (int64_t w = at >> 6; w <= (at + n - 1) >> 6; ++w) {
    uint64_t bits = wanted.words[static_cast<size_t>(w)];
    if (w << 6 < at) bits &= ~uint64_t{0} << (at & 63);
    for (; bits != 0; bits &= bits - 1) {
      const int64_t i = (w << 6) + std::countr_zero(bits) - at;
      if (i >= n) return;
      f(i);
    }
  }
}

// The same of wanted rows only.
using Pick = void (*)(const uint8_t* in, const column::Mask& wanted, int64_t at, int64_t n, uint8_t* out);

template <typename Stored, typename Inside>
void pick_values(const uint8_t* in, const column::Mask& wanted, int64_t at, int64_t n, uint8_t* out) {
  for_wanted(wanted, at, n, [&](int64_t i) {
    convert_values<Stored, Inside>(in + i * static_cast<int64_t>(sizeof(Stored)), 1, 0, out + i * static_cast<int64_t>(sizeof(Inside)));
  });
}

// Two's complement, highest byte first, sign extended.
void convert_big_endian(const uint8_t* in, int64_t n, int width, uint8_t* out) {
  for (int64_t i = 0; i < n; ++i, in += width) {
    unsigned __int128 v = (in[0] & 0x80) ? ~static_cast<unsigned __int128>(0) : 0;
    for (int b = 0; b < width; ++b) v = (v << 8) | in[b];
    std::memcpy(out + i * 16, &v, 16);
  }
}

// What a type promises of its values, and what is built on it, is checked where a value enters: decimals keep to their
// precision, times to their day. No limit: all values are good.
struct Range {
  __int128 low = 0, high = 0;
  bool limited = false;
};

Range range_of(const arrow::DataType& type, parquet::Type::type stored) {
  if (type.id() == arrow::Type::DECIMAL128) {
    const int digits = static_cast<const arrow::DecimalType&>(type).precision();
    const int always = stored == parquet::Type::INT32 ? 10 : stored == parquet::Type::INT64 ? 19 : 39;  // what every stored value fits
    __int128 power = 1;
    for (int i = 0; i < digits; ++i) power *= 10;
    return {1 - power, power - 1, digits < always};
  }
  constexpr int64_t kSeconds = 86400;
  static constexpr int64_t kPerSecond[] = {1, 1'000, 1'000'000, 1'000'000'000};
  if (type.id() == arrow::Type::TIME32 || type.id() == arrow::Type::TIME64) {
    return {0, kSeconds * kPerSecond[static_cast<int>(static_cast<const arrow::TimeType&>(type).unit())] - 1, true};
  }
  return {};
}

template <typename Unsigned>
bool all_within(const uint8_t* values, int64_t n, const Range& range) {
  const Unsigned low = static_cast<Unsigned>(range.low), width = static_cast<Unsigned>(range.high - range.low);
  bool good = true;
  for (int64_t i = 0; i < n; ++i) {
    Unsigned v;
    std::memcpy(&v, values + i * static_cast<int64_t>(sizeof v), sizeof v);
    good &= static_cast<Unsigned>(v - low) <= width;
  }
  return good;
}

struct Layout {
  int stored = 0;
  int inside = 0;
  Convert convert = nullptr;
  Pick pick = nullptr;  // where it is quicker than converting all
};

Layout layout_of(const parquet::ColumnDescriptor& stored, const column::TypePtr& type) {
  const int inside = column::byte_width(column::physical_unchecked(*type));
  switch (stored.physical_type()) {
    case parquet::Type::INT32:
      if (inside == 1) return {4, 1, convert_values<int32_t, int8_t>};
      if (inside == 2) return {4, 2, convert_values<int32_t, int16_t>};
      if (inside == 16) return {4, 16, convert_values<int32_t, __int128>, pick_values<int32_t, __int128>};
      return {4, 4, copy_values};
    case parquet::Type::INT64:
      if (inside == 16) return {8, 16, convert_values<int64_t, __int128>, pick_values<int64_t, __int128>};
      return {8, 8, copy_values};
    case parquet::Type::FLOAT: return {4, 4, copy_values};
    case parquet::Type::DOUBLE: return {8, 8, copy_values};
    default: return {stored.type_length(), 16, convert_big_endian};
  }
}

// One of the library's decoders, giving stored values in memory order.
class ForeignDecoder {
 public:
  virtual ~ForeignDecoder() = default;
  virtual void decode(int64_t n, uint8_t* out) = 0;
};

template <typename Type>
class TypedForeignDecoder final : public ForeignDecoder {
 public:
  TypedForeignDecoder(const PageStream::Page& page, const parquet::ColumnDescriptor& stored, arrow::MemoryPool* pool)
      : decoder_(parquet::MakeTypedDecoder<Type>(page.encoding, &stored, pool)), width_(stored.type_length()) {
    decoder_->SetData(static_cast<int>(page.valid), page.values, static_cast<int>(page.bytes));
  }

  void decode(int64_t n, uint8_t* out) override {
    using Value = typename Type::c_type;
    if constexpr (std::is_same_v<Value, parquet::FixedLenByteArray>) {
      values_.resize(static_cast<size_t>(n));
      if (decoder_->Decode(values_.data(), static_cast<int>(n)) != n) corrupt_page("a page ends early");
      for (int64_t i = 0; i < n; ++i) std::memcpy(out + i * width_, values_[i].ptr, static_cast<size_t>(width_));
    } else if (decoder_->Decode(reinterpret_cast<Value*>(out), static_cast<int>(n)) != n) {
      corrupt_page("a page ends early");
    }
  }

 private:
  std::unique_ptr<typename parquet::EncodingTraits<Type>::Decoder> decoder_;
  const int width_;
  std::vector<parquet::FixedLenByteArray> values_;
};

std::unique_ptr<ForeignDecoder> foreign_decoder(const PageStream::Page& page, const parquet::ColumnDescriptor& stored,
                                                arrow::MemoryPool* pool) {
  switch (stored.physical_type()) {
    case parquet::Type::INT32: return std::make_unique<TypedForeignDecoder<parquet::Int32Type>>(page, stored, pool);
    case parquet::Type::INT64: return std::make_unique<TypedForeignDecoder<parquet::Int64Type>>(page, stored, pool);
    case parquet::Type::FLOAT: return std::make_unique<TypedForeignDecoder<parquet::FloatType>>(page, stored, pool);
    case parquet::Type::DOUBLE: return std::make_unique<TypedForeignDecoder<parquet::DoubleType>>(page, stored, pool);
    case parquet::Type::BOOLEAN: return std::make_unique<TypedForeignDecoder<parquet::BooleanType>>(page, stored, pool);
    default: return std::make_unique<TypedForeignDecoder<parquet::FLBAType>>(page, stored, pool);
  }
}

// The rows at .. at + n of a result, of which only some may be wanted.
template <typename T>
void gather(const uint8_t* dictionary, const uint32_t* indices, const column::Mask* wanted, int64_t at, int64_t n, uint8_t* out) {
  const T* from = reinterpret_cast<const T*>(dictionary);
  T* to = reinterpret_cast<T*>(out);
  if (wanted != nullptr) return for_wanted(*wanted, at, n, [&](int64_t i) { to[i] = from[indices[i]]; });
  for (int64_t i = 0; i < n; ++i) to[i] = from[indices[i]];
}

struct alignas(16) Bytes16 {
  uint64_t low, high;
};

std::shared_ptr<arrow::Buffer> allocated(int64_t bytes, arrow::MemoryPool* pool) {
  auto made = column::allocate_buffer(bytes, pool);
  PARQUET_THROW_NOT_OK(made.status());
  return std::move(*made);
}

class FixedCursor final : public PageCursor {
 public:
  FixedCursor(const ParquetFile& file, int column, int group, PageSource source, arrow::MemoryPool* pool)
      : PageCursor(file, column, group, source, pool),
        layout_(layout_of(stored(), type())),
        range_(range_of(*type(), stored().physical_type())) {}

 private:
  // Whole numbers are checked as they are stored, the narrower the faster; big-endian ones as they are inside.
  void check(const uint8_t* stored_values, const uint8_t* inside, int64_t n) const {
    if (!range_.limited) return;
    const bool whole = layout_.convert != convert_big_endian;
    const bool good = !whole                ? all_within<unsigned __int128>(inside, n, range_)
                      : layout_.stored == 8 ? all_within<uint64_t>(stored_values, n, range_)
                                            : all_within<uint32_t>(stored_values, n, range_);
    if (!good) corrupt_page("a value outside the range of its type");
  }

  void on_dictionary(const parquet::DictionaryPage& page) override {
    entries_ = page.num_values();
    if (entries_ < 0 || entries_ * layout_.stored > page.size()) corrupt_page("a dictionary page ends early");
    dictionary_ = allocated(entries_ * layout_.inside, pool());
    layout_.convert(page.data(), entries_, layout_.stored, dictionary_->mutable_data());
    check(page.data(), dictionary_->data(), entries_);
  }

  void start_page(const PageStream::Page& page) override {
    foreign_.reset();
    kind_ = Kind::kForeign;
    if (page.encoding == parquet::Encoding::PLAIN) {
      kind_ = Kind::kPlain;
      if (page.valid * layout_.stored > page.bytes) corrupt_page("a page ends early");
      plain_ = page.values;
    } else if (page.encoding == parquet::Encoding::RLE_DICTIONARY || page.encoding == parquet::Encoding::PLAIN_DICTIONARY) {
      kind_ = Kind::kDictionary;
      if (page.valid > 0 && (page.bytes < 1 || page.values[0] > 32 || dictionary_ == nullptr))
        corrupt_page("a page of indices without a dictionary");
      indices_ = page.bytes < 1 ? RleDecoder() : RleDecoder(page.values + 1, page.bytes - 1, page.values[0]);
    } else {
      foreign_ = foreign_decoder(page, stored(), pool());
    }
  }

  void skip_values(int64_t n) override {
    if (kind_ == Kind::kPlain) {
      plain_ += n * layout_.stored;
    } else if (kind_ == Kind::kDictionary) {
      if (!indices_.skip(n)) corrupt_page("a page ends early");
    } else {
      scratch_.resize(static_cast<size_t>(n * layout_.stored));
      foreign_->decode(n, scratch_.data());
    }
  }

  void begin(int64_t rows) override { values_ = allocated(rows * layout_.inside, pool()); }

  void decode(int64_t at, int64_t n, int64_t valid) override {
    uint8_t* out = values_->mutable_data() + at * layout_.inside;
    if (n == 0) return;
    const column::Mask* const some = valid == n ? wanted() : nullptr;  // else values move
    if (kind_ == Kind::kPlain) {
      if (some != nullptr && layout_.pick != nullptr) {
        layout_.pick(plain_, *some, at, n, out);
      } else {
        layout_.convert(plain_, valid, layout_.stored, out);
      }
      check(plain_, out, valid);
      plain_ += valid * layout_.stored;
    } else if (kind_ == Kind::kDictionary) {
      look_up(valid, some, at, out);
    } else {
      scratch_.resize(static_cast<size_t>(valid * layout_.stored));
      foreign_->decode(valid, scratch_.data());
      layout_.convert(scratch_.data(), valid, layout_.stored, out);
      check(scratch_.data(), out, valid);
    }
    spread(out, layout_.inside, n, valid);
  }

  void look_up(int64_t n, const column::Mask* wanted, int64_t at, uint8_t* out) {
    index_.resize(static_cast<size_t>(n));
    if (!indices_.read(index_.data(), n)) corrupt_page("a page ends early");
    uint32_t greatest = 0;
    for (int64_t i = 0; i < n; ++i) greatest = std::max(greatest, index_[i]);
    if (n > 0 && greatest >= entries_) corrupt_page("an index beyond the dictionary");
    const uint8_t* from = dictionary_ == nullptr ? nullptr : dictionary_->data();
    switch (layout_.inside) {
      case 1: return gather<uint8_t>(from, index_.data(), wanted, at, n, out);
      case 2: return gather<uint16_t>(from, index_.data(), wanted, at, n, out);
      case 4: return gather<uint32_t>(from, index_.data(), wanted, at, n, out);
      case 8: return gather<uint64_t>(from, index_.data(), wanted, at, n, out);
      default: return gather<Bytes16>(from, index_.data(), wanted, at, n, out);
    }
  }

  column::Column finish(int64_t rows, std::shared_ptr<arrow::Buffer> validity, int64_t nulls) override {
    return column::Column::flat(column::make_array(type(), rows, std::move(validity), nulls, std::move(values_)));
  }

  enum class Kind : uint8_t { kPlain, kDictionary, kForeign };
  const Layout layout_;
  const Range range_;
  Kind kind_ = Kind::kPlain;
  const uint8_t* plain_ = nullptr;
  RleDecoder indices_;
  std::vector<uint32_t> index_;
  std::shared_ptr<arrow::Buffer> dictionary_;
  int64_t entries_ = 0;
  std::unique_ptr<ForeignDecoder> foreign_;
  std::vector<uint8_t> scratch_;
  std::shared_ptr<arrow::Buffer> values_;
};

// Bits in, bits out; by way of a byte per value, because nulls may lie between them.
class BoolCursor final : public PageCursor {
 public:
  using PageCursor::PageCursor;

 private:
  void on_dictionary(const parquet::DictionaryPage&) override { corrupt_page("a dictionary of bools"); }

  void start_page(const PageStream::Page& page) override {
    foreign_.reset();
    plain_ = page.values;
    plain_at_ = 0;
    if (page.encoding == parquet::Encoding::PLAIN) {
      if ((page.valid + 7) / 8 > page.bytes) corrupt_page("a page ends early");
    } else {
      foreign_ = foreign_decoder(page, stored(), pool());
    }
  }

  void take_bytes(int64_t n) {
    bytes_.resize(static_cast<size_t>(n));
    if (foreign_ != nullptr) return foreign_->decode(n, bytes_.data());
    for (int64_t i = 0; i < n; ++i) bytes_[i] = (plain_[(plain_at_ + i) >> 3] >> ((plain_at_ + i) & 7)) & 1;
    plain_at_ += n;
  }

  void skip_values(int64_t n) override {
    if (foreign_ != nullptr) return take_bytes(n);
    plain_at_ += n;
  }

  void begin(int64_t rows) override {
    auto made = column::allocate_bits(rows, pool());
    PARQUET_THROW_NOT_OK(made.status());
    values_ = std::move(*made);
  }

  void decode(int64_t at, int64_t n, int64_t valid) override {
    take_bytes(valid);
    uint8_t* out = values_->mutable_data();
    int64_t next = 0;
    for (int64_t i = 0; i < n; ++i) {
      if (!row_valid(i)) continue;
      out[(at + i) >> 3] |= static_cast<uint8_t>((bytes_[next++] & 1) << ((at + i) & 7));
    }
  }

  column::Column finish(int64_t rows, std::shared_ptr<arrow::Buffer> validity, int64_t nulls) override {
    return column::Column::flat(column::make_array(type(), rows, std::move(validity), nulls, std::move(values_)));
  }

  const uint8_t* plain_ = nullptr;
  int64_t plain_at_ = 0;
  std::unique_ptr<ForeignDecoder> foreign_;
  std::vector<uint8_t> bytes_;
  std::shared_ptr<arrow::Buffer> values_;
};

}  // namespace

std::unique_ptr<PageCursor> fixed_cursor(const ParquetFile& file, int column, int group, PageSource source, arrow::MemoryPool* pool) {
  return std::make_unique<FixedCursor>(file, column, group, source, pool);
}

std::unique_ptr<PageCursor> bool_cursor(const ParquetFile& file, int column, int group, PageSource source, arrow::MemoryPool* pool) {
  return std::make_unique<BoolCursor>(file, column, group, source, pool);
}

}  // namespace gristmill::io
