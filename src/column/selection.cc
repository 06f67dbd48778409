// Selection state: bitmap, indices or both, the missing one made on first use.

#include "column/selection.h"

#include <algorithm>

#include "column/bits.h"
#include "column/simd/dispatch.h"

namespace gristmill::column {
namespace {

void clear_tail(Mask& m) {
  if (m.rows & 63) m.words.back() &= low_bits(m.rows & 63);
}

}  // namespace

Mask::Mask(int64_t n, bool value) : words(static_cast<size_t>(word_count(n)), value ? ~uint64_t{0} : 0), rows(n) {
  if (value) clear_tail(*this);
}

int64_t Mask::count() const { return simd::kernels().count_bits(words.data(), static_cast<int64_t>(words.size())); }

struct Selection::State {
  Mask mask;
  std::vector<uint16_t> indices;
  bool has_mask = false;
  bool has_indices = false;
  int64_t rows = 0;
  int64_t count = 0;
};

Selection Selection::from_mask(Mask mask) {
  const int64_t ones = mask.count();
  if (ones == mask.rows) return {};
  Selection s;
  s.state_ = std::make_shared<State>();
  s.state_->rows = mask.rows;
  s.state_->count = ones;
  s.state_->mask = std::move(mask);
  s.state_->has_mask = true;
  return s;
}

Selection Selection::from_indices(std::vector<uint16_t> sorted, int64_t rows) {
  if (static_cast<int64_t>(sorted.size()) == rows) return {};
  Selection s;
  s.state_ = std::make_shared<State>();
  s.state_->rows = rows;
  s.state_->count = static_cast<int64_t>(sorted.size());
  s.state_->indices = std::move(sorted);
  s.state_->has_indices = true;
  return s;
}

int64_t Selection::count(int64_t rows) const { return state_ ? state_->count : rows; }

std::span<const uint16_t> Selection::indices(int64_t rows) const {
  // "All" needs no state of its own: one table of ascending numbers serves every batch.
  static const std::vector<uint16_t>& ascending = *new std::vector<uint16_t>([] {
    std::vector<uint16_t> v(kMaxBatchRows);
    for (int64_t i = 0; i < kMaxBatchRows; ++i) v[i] = static_cast<uint16_t>(i);
    return v;
  }());
  if (!state_) return {ascending.data(), static_cast<size_t>(rows)};
  if (!state_->has_indices) {
    state_->indices.resize(static_cast<size_t>(state_->count + 32));  // the kernel stores whole registers
    simd::kernels().mask_to_indices(state_->mask.words.data(), state_->rows, state_->indices.data());
    state_->indices.resize(static_cast<size_t>(state_->count));
    state_->has_indices = true;
  }
  return state_->indices;
}

const Mask& Selection::mask(int64_t rows) const {
  if (!state_) {
    if (!full_ || full_->rows != rows) full_ = std::make_shared<const Mask>(rows, true);
    return *full_;
  }
  if (!state_->has_mask) {
    Mask m(state_->rows, false);
    for (uint16_t i : state_->indices) m.set(i);
    state_->mask = std::move(m);
    state_->has_mask = true;
  }
  return state_->mask;
}

bool Selection::contains(int64_t row) const {
  if (!state_) return true;
  if (state_->has_mask) return state_->mask.get(row);
  return std::binary_search(state_->indices.begin(), state_->indices.end(), static_cast<uint16_t>(row));
}

Selection Selection::intersect(const Mask& keep) const {
  if (!state_) return from_mask(keep);
  if (!state_->has_mask && state_->count * 16 < state_->rows) {
    std::vector<uint16_t> left;
    left.reserve(state_->indices.size());
    for (uint16_t i : state_->indices) {
      if (keep.get(i)) left.push_back(i);
    }
    return from_indices(std::move(left), state_->rows);
  }
  const Mask& mine = mask(state_->rows);
  Mask both;
  both.rows = mine.rows;
  both.words.resize(mine.words.size());
  simd::kernels().and_words(mine.words.data(), keep.words.data(), static_cast<int64_t>(mine.words.size()), both.words.data());
  return from_mask(std::move(both));
}

Selection Selection::below(int64_t limit, int64_t rows) const {
  if (limit >= rows) return *this;
  limit = std::max<int64_t>(limit, 0);
  Mask m = mask(rows);
  for (size_t w = 0; w < m.words.size(); ++w) {
    const int64_t start = static_cast<int64_t>(w) * 64;
    if (start + 64 > limit) m.words[w] &= start >= limit ? 0 : low_bits(limit - start);
  }
  return from_mask(std::move(m));
}

Selection Selection::first(int64_t n, int64_t rows) const {
  if (n >= count(rows)) return *this;
  const auto all_indices = indices(rows).first(static_cast<size_t>(std::max<int64_t>(n, 0)));
  return from_indices({all_indices.begin(), all_indices.end()}, rows);
}

Selection Selection::skip(int64_t n, int64_t rows) const {
  if (n <= 0) return *this;
  const auto rest = indices(rows).subspan(static_cast<size_t>(std::min(n, count(rows))));
  return from_indices({rest.begin(), rest.end()}, rows);
}

}  // namespace gristmill::column
