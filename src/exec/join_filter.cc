// The Bloom filter keeps one 64-bit word per four keys or so and sets four bits of one word per key: one cache miss a
// lookup, about 2 % false answers.

#include "exec/join_filter.h"

#include <algorithm>
#include <cmath>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "column/buffers.h"
#include "column/kernels.h"
#include "column/row_order.h"

namespace gristmill::exec {
namespace {

constexpr int64_t kFew = 256;  // distinct values kept for pruning
constexpr int64_t kBitmapPerRow = 64, kBitmapLeast = 1 << 16;
constexpr int64_t kMostBitmap = int64_t{1} << 27;  // bits: 16 MiB
constexpr int64_t kBlock = 8192;
constexpr int64_t kMostBloomRows = int64_t{1} << 25;
constexpr int64_t kJudgeAfter = 100'000;  // rows seen before it may switch itself off
constexpr int kWorthwhilePercent = 80;

uint64_t bloom_bits(uint64_t h) {
  return uint64_t{1} << (h & 63) | uint64_t{1} << ((h >> 6) & 63) | uint64_t{1} << ((h >> 12) & 63) | uint64_t{1} << ((h >> 18) & 63);
}
uint64_t bloom_word(uint64_t h, uint64_t words) { return static_cast<uint64_t>((static_cast<unsigned __int128>(h) * words) >> 64); }

bool is_nan_at(const arrow::ArrayData& d, int64_t i) {
  if (d.type->id() == arrow::Type::FLOAT) return std::isnan(column::values_of<float>(d)[i]);
  if (d.type->id() == arrow::Type::DOUBLE) return std::isnan(column::values_of<double>(d)[i]);
  return false;
}

}  // namespace

JoinFilter::JoinFilter(column::TypePtr type) : type_(std::move(type)), layout_(std::span<const column::TypePtr>(&type_, 1), false) {}

bool JoinFilter::possible(const arrow::DataType& type) {
  const auto p = column::physical_unchecked(type);
  return p != column::Physical::kNull && p != column::Physical::kNested;
}

void JoinFilter::publish(column::Column keys, int64_t rows, std::shared_ptr<base::QueryMemory> memory) {
  keys_ = std::move(keys);
  rows_ = rows;
  memory_ = std::move(memory);
  ready_.store(true, std::memory_order_release);
}

// Without memory for it there is no filter.
bool JoinFilter::has_range() const {
  std::call_once(range_once_, [&] { range_ok_ = make_range().ok(); });
  return range_ok_;
}

bool JoinFilter::has_set() const {
  std::call_once(set_once_, [&] { set_ok_ = make_set().ok(); });
  return set_ok_;
}

arrow::Status JoinFilter::make_range() const {
  arrow::MemoryPool* pool = memory_->pool();
  ARROW_ASSIGN_OR_RAISE(const column::Column flat, column::flatten(keys_, rows_, pool));
  std::vector<int64_t> at = {0, 0};
  find_bounds(*flat.values, &at[0], &at[1]);
  for (int64_t i = 0; i < rows_ && column::is_float(*type_) && !has_nan_; ++i) has_nan_ = is_nan_at(*flat.values, i);
  ARROW_ASSIGN_OR_RAISE(bounds_, column::take(flat, std::span<const int64_t>(at), pool));
  return keep_few();
}

void JoinFilter::find_bounds(const arrow::ArrayData& d, int64_t* low, int64_t* high) const {
  *low = *high = 0;
  const auto p = column::physical_unchecked(*type_);
  const auto general = [&] {
    for (int64_t i = 1; i < rows_; ++i) {
      if (column::compare_values(d, i, d, *low) < 0) *low = i;
      if (column::compare_values(d, i, d, *high) > 0) *high = i;
    }
  };
  if (p == column::Physical::kView || p == column::Physical::kBool) return general();
  column::visit_number(p, [&]<typename T>() {
    if constexpr (std::is_floating_point_v<T> || sizeof(T) > 8) {
      general();
    } else {
      const T* v = column::values_of<T>(d);
      const auto [smallest, largest] = std::minmax_element(v, v + rows_);
      *low = smallest - v;
      *high = largest - v;
    }
  });
}

arrow::Status JoinFilter::make_set() const {
  if (layout_.integer()) {
    KeyWords words;
    ARROW_RETURN_NOT_OK(layout_.words({&keys_, 1}, rows_, memory_->pool(), words));
    ARROW_ASSIGN_OR_RAISE(const bool made, make_bitmap(words.low));
    if (made) return arrow::Status::OK();
  }
  return make_bloom();
}

arrow::Result<bool> JoinFilter::make_bitmap(const uint64_t* words) const {
  const KeyRange r = key_range(layout_, words, rows_);
  const uint64_t last = r.max - r.min;
  if (last >= static_cast<uint64_t>(std::min(kMostBitmap, std::max(kBitmapLeast, kBitmapPerRow * rows_)))) return false;
  bitmap_min_ = r.min ^ layout_.sign_flip();
  bitmap_size_ = last + 1;
  ARROW_ASSIGN_OR_RAISE(set_, column::allocate_zeroed(static_cast<int64_t>(bitmap_size_ / 64 + 1) * 8, memory_->pool()));
  words_ = reinterpret_cast<uint64_t*>(set_->mutable_data());
  for (int64_t i = 0; i < rows_; ++i) {
    const uint64_t bit = words[i] - bitmap_min_;
    words_[bit >> 6] |= uint64_t{1} << (bit & 63);
  }
  return true;
}

arrow::Status JoinFilter::make_bloom() const {
  if (rows_ > kMostBloomRows) return arrow::Status::OK();
  bloom_size_ = static_cast<uint64_t>(rows_ / 4 + 1);
  ARROW_ASSIGN_OR_RAISE(set_, column::allocate_zeroed(static_cast<int64_t>(bloom_size_) * 8, memory_->pool()));
  words_ = reinterpret_cast<uint64_t*>(set_->mutable_data());
  std::vector<uint64_t> hashes(static_cast<size_t>(std::min(rows_, kBlock)));
  for (int64_t at = 0; at < rows_; at += kBlock) {
    const int64_t n = std::min(kBlock, rows_ - at);
    const column::Column block = column::slice(keys_, at, n);
    column::hash_rows({&block, 1}, n, {}, hashes.data());
    for (int64_t i = 0; i < n; ++i)
      words_[bloom_word(hashes[static_cast<size_t>(i)], bloom_size_)] |= bloom_bits(hashes[static_cast<size_t>(i)]);
  }
  return arrow::Status::OK();
}

// Gives up once there are too many.
arrow::Status JoinFilter::keep_few() const {
  ARROW_ASSIGN_OR_RAISE(const column::Column flat, column::flatten(keys_, rows_, memory_->pool()));
  const arrow::ArrayData& d = *flat.values;
  const auto before = [&](int64_t a, int64_t b) { return column::compare_values(d, a, d, b) < 0; };
  std::vector<int64_t> seen;
  for (int64_t i = 0; i < rows_; ++i) {
    const auto at = std::lower_bound(seen.begin(), seen.end(), i, before);
    if (at != seen.end() && !before(i, *at)) continue;
    if (static_cast<int64_t>(seen.size()) == kFew) return arrow::Status::OK();
    seen.insert(at, i);
  }
  ARROW_ASSIGN_OR_RAISE(few_, column::take(flat, std::span<const int64_t>(seen), memory_->pool()));
  few_count_ = static_cast<int64_t>(seen.size());
  return arrow::Status::OK();
}

bool JoinFilter::may_match_range(const arrow::Scalar& min, const arrow::Scalar& max) const {
  if (!ready()) return true;
  if (rows_ == 0) return false;
  if (!has_range() || has_nan_ || !min.is_valid || !max.is_valid) return true;  // a range says nothing about NaN
  const auto low = column::constant_of(min, arrow::default_memory_pool()), high = column::constant_of(max, arrow::default_memory_pool());
  if (!low.ok() || !high.ok() || !low->type()->Equals(*type_) || !high->type()->Equals(*type_)) return true;
  if (column::compare_rows(*high, 0, bounds_, 0) < 0 || column::compare_rows(*low, 0, bounds_, 1) > 0) return false;
  if (few_count_ < 0) return true;
  int64_t from = 0, to = few_count_;  // the first value not below min
  while (from < to) {
    const int64_t mid = (from + to) / 2;
    if (column::compare_rows(few_, mid, *low, 0) < 0) {
      from = mid + 1;
    } else {
      to = mid;
    }
  }
  return from < few_count_ && column::compare_rows(few_, from, *high, 0) <= 0;
}

void JoinFilter::narrow(const column::Column& values, int64_t rows, column::Mask& keep) const {
  if (!ready() || off_.load(std::memory_order_relaxed)) return;
  if (rows_ == 0) {
    std::fill(keep.words.begin(), keep.words.end(), 0);
    return;
  }
  if (!has_set()) return;
  const int64_t before = keep.count();
  if (column::has_nulls(values)) {
    const column::Mask valid = column::validity_mask(values, rows);
    for (size_t w = 0; w < keep.words.size(); ++w) keep.words[w] &= valid.words[w];
  }
  std::vector<uint64_t> store;
  KeyWords words;
  const auto narrow_by = [&](auto&& may_match) {
    for (size_t w = 0; w < keep.words.size(); ++w) {
      if (keep.words[w] == 0) continue;
      const int64_t begin = static_cast<int64_t>(w) * 64, here = std::min<int64_t>(64, rows - begin);
      uint64_t bits = 0;
      for (int64_t j = 0; j < here; ++j) bits |= static_cast<uint64_t>(may_match(begin + j)) << j;
      keep.words[w] &= bits;
    }
  };
  if (bitmap_size_ > 0) {
    if (!layout_.words({&values, 1}, rows, memory_->pool(), words).ok()) return;
    narrow_by([&](int64_t i) {
      const uint64_t bit = words.low[i] - bitmap_min_;
      const uint64_t in = bit < bitmap_size_ ? bit : 0;
      return (bit < bitmap_size_) & (words_[in >> 6] >> (in & 63) & 1);
    });
  } else if (bloom_size_ > 0) {
    store.resize(static_cast<size_t>(rows));
    column::hash_rows({&values, 1}, rows, {}, store.data());
    narrow_by([&](int64_t i) {
      const uint64_t want = bloom_bits(store[static_cast<size_t>(i)]);
      return (words_[bloom_word(store[static_cast<size_t>(i)], bloom_size_)] & want) == want;
    });
  }
  const int64_t seen = seen_.fetch_add(before, std::memory_order_relaxed) + before;
  const int64_t kept = keep.count();
  const int64_t passed = passed_.fetch_add(kept, std::memory_order_relaxed) + kept;
  if (seen >= kJudgeAfter && passed * 100 > seen * kWorthwhilePercent) off_.store(true, std::memory_order_relaxed);
}

}  // namespace gristmill::exec
