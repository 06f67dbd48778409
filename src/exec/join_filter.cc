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

constexpr int64_t kFew = 256;                        // distinct values kept for pruning
constexpr int64_t kBitmapPerRow = 64, kBitmapLeast = 1 << 16;
constexpr int64_t kMostBitmap = int64_t{1} << 27;    // bits: 16 MiB
constexpr int64_t kMostBloomRows = int64_t{1} << 25;
constexpr int64_t kJudgeAfter = 100'000;             // rows seen before it may switch itself off
constexpr int kWorthwhilePercent = 80;

uint64_t bloom_bits(uint64_t h) {
  return uint64_t{1} << (h & 63) | uint64_t{1} << ((h >> 6) & 63) | uint64_t{1} << ((h >> 12) & 63) | uint64_t{1} << ((h >> 18) & 63);
}
size_t bloom_word(uint64_t h, size_t words) { return static_cast<size_t>((static_cast<unsigned __int128>(h) * words) >> 64); }

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

arrow::Status JoinFilter::publish(const column::Column& keys, int64_t rows, arrow::MemoryPool* pool) {
  empty_ = rows == 0;
  if (!empty_) {
    ARROW_ASSIGN_OR_RAISE(const column::Column flat, column::flatten(keys, rows, pool));
    ARROW_RETURN_NOT_OK(find_bounds(flat, rows, pool));
    KeyWords words;
    if (layout_.integer()) ARROW_RETURN_NOT_OK(layout_.words({&flat, 1}, rows, pool, words));
    std::vector<uint64_t> hashes(static_cast<size_t>(rows));
    column::hash_rows({&flat, 1}, rows, {}, hashes.data());
    if (!layout_.integer() || !make_bitmap(words.low, rows)) make_bloom(hashes.data(), rows);
    ARROW_RETURN_NOT_OK(keep_few(flat, hashes.data(), rows, pool));
  }
  ready_.store(true, std::memory_order_release);
  return arrow::Status::OK();
}

arrow::Status JoinFilter::find_bounds(const column::Column& keys, int64_t rows, arrow::MemoryPool* pool) {
  const arrow::ArrayData& d = *keys.values;
  std::vector<int64_t> at = {0, 0};
  const auto p = column::physical_unchecked(*type_);
  const auto general = [&] {
    for (int64_t i = 1; i < rows; ++i) {
      if (column::compare_values(d, i, d, at[0]) < 0) at[0] = i;
      if (column::compare_values(d, i, d, at[1]) > 0) at[1] = i;
    }
  };
  if (p == column::Physical::kView || p == column::Physical::kBool) {
    general();
  } else {
    column::visit_number(p, [&]<typename T>() {
      if constexpr (std::is_floating_point_v<T> || sizeof(T) > 8) return general();
      const T* v = column::values_of<T>(d);
      const auto [low, high] = std::minmax_element(v, v + rows);
      at = {low - v, high - v};
    });
  }
  for (int64_t i = 0; i < rows && column::is_float(*type_) && !has_nan_; ++i) has_nan_ = is_nan_at(d, i);
  ARROW_ASSIGN_OR_RAISE(bounds_, column::take(keys, std::span<const int64_t>(at), pool));
  return arrow::Status::OK();
}

bool JoinFilter::make_bitmap(const uint64_t* words, int64_t rows) {
  const KeyRange r = key_range(layout_, words, rows);
  const uint64_t last = r.max - r.min;
  if (last >= static_cast<uint64_t>(std::min(kMostBitmap, std::max(kBitmapLeast, kBitmapPerRow * rows)))) return false;
  bitmap_min_ = r.min ^ layout_.sign_flip();
  bitmap_size_ = last + 1;
  bitmap_.assign(bitmap_size_ / 64 + 1, 0);
  for (int64_t i = 0; i < rows; ++i) {
    const uint64_t bit = words[i] - bitmap_min_;
    bitmap_[bit >> 6] |= uint64_t{1} << (bit & 63);
  }
  return true;
}

void JoinFilter::make_bloom(const uint64_t* hashes, int64_t rows) {
  if (rows > kMostBloomRows) return;
  bloom_.assign(static_cast<size_t>(rows / 4 + 1), 0);
  for (int64_t i = 0; i < rows; ++i) bloom_[bloom_word(hashes[i], bloom_.size())] |= bloom_bits(hashes[i]);
}

// Gives up once there are too many; hashes stand for values, because a value more does no harm.
arrow::Status JoinFilter::keep_few(const column::Column& keys, const uint64_t* hashes, int64_t rows, arrow::MemoryPool* pool) {
  std::vector<std::pair<uint64_t, int64_t>> seen;
  for (int64_t i = 0; i < rows; ++i) {
    const auto at = std::lower_bound(seen.begin(), seen.end(), std::pair(hashes[i], int64_t{-1}));
    bool known = false;
    for (auto s = at; s != seen.end() && s->first == hashes[i]; ++s) known |= column::compare_values(*keys.values, s->second, *keys.values, i) == 0;
    if (known) continue;
    if (static_cast<int64_t>(seen.size()) == kFew) return arrow::Status::OK();
    seen.insert(at, {hashes[i], i});
  }
  std::vector<int64_t> at;
  for (const auto& s : seen) at.push_back(s.second);
  std::sort(at.begin(), at.end(), [&](int64_t a, int64_t b) { return column::compare_values(*keys.values, a, *keys.values, b) < 0; });
  ARROW_ASSIGN_OR_RAISE(few_, column::take(keys, std::span<const int64_t>(at), pool));
  few_count_ = static_cast<int64_t>(at.size());
  return arrow::Status::OK();
}

bool JoinFilter::may_match_range(const arrow::Scalar& min, const arrow::Scalar& max) const {
  if (!ready()) return true;
  if (empty_) return false;
  if (has_nan_ || !min.is_valid || !max.is_valid) return true;  // a range says nothing about NaN
  const auto low = column::constant_of(min, arrow::default_memory_pool()), high = column::constant_of(max, arrow::default_memory_pool());
  if (!low.ok() || !high.ok() || !low->type()->Equals(*type_) || !high->type()->Equals(*type_)) return true;
  if (column::compare_rows(*high, 0, bounds_, 0) < 0 || column::compare_rows(*low, 0, bounds_, 1) > 0) return false;
  if (few_count_ < 0) return true;
  int64_t from = 0, to = few_count_;  // the first value not below min
  while (from < to) {
    const int64_t mid = (from + to) / 2;
    (column::compare_rows(few_, mid, *low, 0) < 0 ? from : to) = column::compare_rows(few_, mid, *low, 0) < 0 ? mid + 1 : mid;
  }
  return from < few_count_ && column::compare_rows(few_, from, *high, 0) <= 0;
}

void JoinFilter::narrow(const column::Column& values, int64_t rows, column::Mask& keep) const {
  if (!ready() || off_.load(std::memory_order_relaxed)) return;
  if (empty_) {
    std::fill(keep.words.begin(), keep.words.end(), 0);
    return;
  }
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
    if (!layout_.words({&values, 1}, rows, arrow::default_memory_pool(), words).ok()) return;
    narrow_by([&](int64_t i) {
      const uint64_t bit = words.low[i] - bitmap_min_;
      const uint64_t in = bit < bitmap_size_ ? bit : 0;
      return (bit < bitmap_size_) & (bitmap_[in >> 6] >> (in & 63) & 1);
    });
  } else if (!bloom_.empty()) {
    store.resize(static_cast<size_t>(rows));
    column::hash_rows({&values, 1}, rows, {}, store.data());
    narrow_by([&](int64_t i) {
      const uint64_t want = bloom_bits(store[static_cast<size_t>(i)]);
      return (bloom_[bloom_word(store[static_cast<size_t>(i)], bloom_.size())] & want) == want;
    });
  }
  const int64_t seen = seen_.fetch_add(before, std::memory_order_relaxed) + before;
  const int64_t kept = keep.count();
  const int64_t passed = passed_.fetch_add(kept, std::memory_order_relaxed) + kept;
  if (seen >= kJudgeAfter && passed * 100 > seen * kWorthwhilePercent) off_.store(true, std::memory_order_relaxed);
}

}  // namespace gristmill::exec
