// Pages -> batches: what is common to all kinds of values.

#include "io/parquet_pages.h"

#include <algorithm>
#include <cstring>

#include <parquet/exception.h>
#include <parquet/schema.h>

#include "column/bits.h"
#include "column/buffers.h"

namespace gristmill::io {
namespace {

// Sets the bits of `in` from `from` on at `to` of a zeroed bitmap.
void append_bits(uint8_t* out, int64_t to, const uint8_t* in, int64_t from, int64_t n) {
  for (int64_t i = 0; i < n;) {
    const int64_t room = 64 - ((to + i) & 63), some = std::min(room, n - i);
    uint64_t word;
    uint8_t* place = out + (((to + i) >> 6) << 3);
    std::memcpy(&word, place, 8);
    word |= column::read_bits(in, from + i, some) << ((to + i) & 63);
    std::memcpy(place, &word, 8);
    i += some;
  }
}

void append_ones(uint8_t* out, int64_t to, int64_t n) {
  for (int64_t i = 0; i < n;) {
    const int64_t room = 64 - ((to + i) & 63), some = std::min(room, n - i);
    uint64_t word;
    uint8_t* place = out + (((to + i) >> 6) << 3);
    std::memcpy(&word, place, 8);
    word |= column::low_bits(some) << ((to + i) & 63);
    std::memcpy(place, &word, 8);
    i += some;
  }
}

// From the back, so that no value is overwritten before it has moved.
template <typename T>
void spread_values(T* values, const uint8_t* bits, int64_t from, int64_t n, int64_t valid) {
  for (int64_t i = n; i-- > 0;) {
    const bool there = (bits[(from + i) >> 3] >> ((from + i) & 7)) & 1;
    values[i] = there ? values[--valid] : T{};
  }
}

struct Bytes16 {
  uint64_t low = 0, high = 0;
};

}  // namespace

PageCursor::PageCursor(const ParquetFile& file, int column, int group, PageSource source, arrow::MemoryPool* pool)
    : file_(file), column_(file.columns[column]), pool_(pool), pages_(file, column, group, source, pool) {}

arrow::Result<column::Column> PageCursor::read(int64_t rows, const column::Mask* wanted) {
  wanted_ = wanted;
  return guard_parquet(file_.path, column_.field->name(), [&]() -> arrow::Result<column::Column> {
    validity_.reset();
    nulls_ = 0;
    begin(rows);
    load(rows);
    return finish(rows, std::move(validity_), nulls_);
  });
}

void PageCursor::load(int64_t rows) {
  for (int64_t at = 0; at < rows;) {
    if (page_at_ == page_.rows || to_skip_ > 0) next_page();
    const int64_t n = std::min(rows - at, page_.rows - page_at_);
    int64_t valid = n;
    if (page_.validity != nullptr) {
      valid = 0;
      for (int64_t i = 0; i < n; i += 64)
        valid += __builtin_popcountll(column::read_bits(page_.validity, page_at_ + i, std::min<int64_t>(64, n - i)));
    }
    decode(at, n, valid);
    note_validity(at, n, valid, rows);
    page_at_ += n;
    at += n;
  }
}

// Behind everything that is to be skipped, on a row.
void PageCursor::next_page() {
  while (true) {
    const int64_t here = std::min(to_skip_, page_.rows - page_at_);
    if (here > 0) {
      int64_t valid = here;
      for (int64_t i = 0; page_.validity != nullptr && i < here; ++i) valid -= row_valid(i) ? 0 : 1;
      if (here < page_.rows - page_at_) skip_values(valid);
      page_at_ += here;
      to_skip_ -= here;
    }
    if (page_at_ < page_.rows) return;
    page_ = pages_.next(to_skip_, [this](const parquet::DictionaryPage& page) { on_dictionary(page); });
    page_at_ = 0;
    start_page(page_);
  }
}

void PageCursor::note_validity(int64_t at, int64_t n, int64_t valid, int64_t rows) {
  if (valid < n && validity_ == nullptr) {
    auto made = column::allocate_bits(rows, pool_);
    PARQUET_THROW_NOT_OK(made.status());
    validity_ = std::move(*made);
    append_ones(validity_->mutable_data(), 0, at);
  }
  nulls_ += n - valid;
  if (validity_ == nullptr) return;
  if (valid == n) return append_ones(validity_->mutable_data(), at, n);
  append_bits(validity_->mutable_data(), at, page_.validity, page_at_, n);
}

bool PageCursor::row_valid(int64_t i) const {
  return page_.validity == nullptr || ((page_.validity[(page_at_ + i) >> 3] >> ((page_at_ + i) & 7)) & 1);
}

void PageCursor::spread(uint8_t* values, int width, int64_t n, int64_t valid) const {
  if (valid == n) return;
  switch (width) {
    case 1: return spread_values(values, page_.validity, page_at_, n, valid);
    case 2: return spread_values(reinterpret_cast<uint16_t*>(values), page_.validity, page_at_, n, valid);
    case 4: return spread_values(reinterpret_cast<uint32_t*>(values), page_.validity, page_at_, n, valid);
    case 8: return spread_values(reinterpret_cast<uint64_t*>(values), page_.validity, page_at_, n, valid);
    default: return spread_values(reinterpret_cast<Bytes16*>(values), page_.validity, page_at_, n, valid);
  }
}

std::unique_ptr<ParquetCursor> page_cursor(const ParquetFile& file, int column, int group, PageSource source, arrow::MemoryPool* pool) {
  switch (column::physical_unchecked(*file.columns[column].inside)) {
    case column::Physical::kBool: return bool_cursor(file, column, group, source, pool);
    case column::Physical::kView: return text_cursor(file, column, group, source, pool);
    default: return fixed_cursor(file, column, group, source, pool);
  }
}

}  // namespace gristmill::io
