// The trail is what came lately; the guess is a place in it. Where a row is not the one expected, some things may have gone (the guess
// jumps ahead) or one may be new (the guess waits); where neither helps, the place is looked for again after the batch.

#include "exec/group_echo.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "column/simd/hash_mix.h"
#include "exec/group_codec.h"
#include "exec/group_row.h"

namespace gristmill::exec {
namespace {

using column::Physical;

constexpr int kMostMisses = 4;
constexpr int64_t kMostGone = 8;    // groups in a row that may be passed over
constexpr int64_t kMostStray = 16;  // rows in a row without a guess that held: the rest of the batch has none

const uint8_t* key_of(const uint8_t* row) { return reinterpret_cast<const Blob*>(row)->data(); }

}  // namespace

// False: keys of a type that is not compared here.
bool GroupEcho::look_at(const KeyPlan& plan, std::span<const column::Column> keys) {
  parts_.clear();
  for (size_t c = 0; c < keys.size(); ++c) {
    const Physical p = plan.parts[c].physical;
    if (p == Physical::kNull || p == Physical::kNested) return false;
    const column::Column& key = keys[c];
    Part part{key.values.get(), nullptr, column::validity_of(*key.values), p, key.is_constant()};
    if (key.is_dictionary()) {
      part.entries = column::values_of<int32_t>(*key.values);
      part.values = key.dictionary.get();
    }
    for (size_t b = 2; p == Physical::kView && b < part.values->buffers.size(); ++b) {
      const auto& heap = part.values->buffers[b];
      part.heaps.push_back(heap ? heap->data() : nullptr);
    }
    parts_.push_back(std::move(part));
  }
  return true;
}

// at[k] stands at the encoded value that row first + k is compared with, and behind it where they are the same.
template <typename Equal>
void GroupEcho::compare(const Part& part, int64_t first, int64_t n, const uint8_t** at, uint8_t* same, Equal&& equal) {
  for (int64_t k = 0; k < n; ++k) {
    if (!same[k]) continue;
    const int64_t row = part.constant ? 0 : first + k;
    const bool there = part.valid.valid(row);
    same[k] = *at[k]++ == static_cast<uint8_t>(there);
    if (there && same[k]) same[k] = equal(part.entries != nullptr ? part.entries[row] : row, at[k]);
  }
}

void GroupEcho::compare(const Part& part, int64_t first, int64_t n, const uint8_t** at, uint8_t* same) {
  const arrow::ArrayData& d = *part.values;
  if (part.physical == Physical::kView) {
    const auto* const views = column::values_of<column::View16>(d);
    const uint8_t* const* const heaps = part.heaps.data();
    return compare(part, first, n, at, same, [views, heaps](int64_t i, const uint8_t*& key) {
      const column::View16& v = views[i];
      if (get_length(key) != v.size) return false;
      const uint8_t* const bytes = v.is_inline() ? reinterpret_cast<const uint8_t*>(v.inlined) : heaps[v.ref.buffer] + v.ref.offset;
      if (!same_bytes(key, bytes, v.size)) return false;
      key += v.size;
      return true;
    });
  }
  if (part.physical == Physical::kBool) {
    return compare(part, first, n, at, same, [&](int64_t i, const uint8_t*& key) {
      return *key++ == static_cast<uint8_t>(column::bit_at(d.buffers[1]->data(), d.offset + i));
    });
  }
  column::visit_number(part.physical, [&]<typename T>() {
    const T* const values = column::values_of<T>(d);
    compare(part, first, n, at, same, [&](int64_t i, const uint8_t*& key) {
      bool equal;
      if constexpr (std::is_floating_point_v<T>) {
        const auto bits = column::canonical_bits(values[i]);
        equal = std::memcmp(key, &bits, sizeof(T)) == 0;
      } else {
        equal = std::memcmp(key, values + i, sizeof(T)) == 0;
      }
      key += sizeof(T);
      return equal;
    });
  });
}

// The rows of the span after the next one, and the keys that the rows of the next one point at.
void GroupEcho::ask_for(int64_t guess) const {
  constexpr int kLine = 64, kLines = 4;
  const auto end = [&](int64_t spans) { return std::min(guess + spans * kSpan, end_); };
  for (int64_t k = guess + kSpan; k < end(2); ++k) __builtin_prefetch(trail_[static_cast<size_t>(k)]);
  for (int64_t k = guess; k < end(1); ++k) {
    if (trail_[static_cast<size_t>(k)] == nullptr) continue;
    const uint8_t* const key = key_of(trail_[static_cast<size_t>(k)]);
    for (int line = 0; line < kLines; ++line) __builtin_prefetch(key + line * kLine);
  }
}

int64_t GroupEcho::follow(int64_t first, int64_t n, int64_t guess) const {
  const uint8_t* at[kSpan];
  uint8_t same[kSpan];
  n = std::min({n, kSpan, end_ - guess});
  for (int64_t k = 0; k < n; ++k) {
    const uint8_t* const row = trail_[static_cast<size_t>(guess + k)];
    same[k] = row != nullptr;
    at[k] = same[k] ? key_of(row) : nullptr;
  }
  for (const Part& part : parts_) compare(part, first, n, at, same);
  return std::find(same, same + n, uint8_t{0}) - same;
}

// n rows more, their groups unknown yet; the oldest go where there are too many.
void GroupEcho::extend(int64_t n) {
  if (static_cast<int64_t>(trail_.size()) + n > most_) {
    const int64_t gone = std::max<int64_t>(0, static_cast<int64_t>(trail_.size()) - std::max<int64_t>(0, most_ / 2 - n));
    trail_.erase(trail_.begin(), trail_.begin() + gone);
    guess_ -= gone;
  }
  begin_ = end_ = static_cast<int64_t>(trail_.size());
  trail_.resize(trail_.size() + static_cast<size_t>(n), nullptr);
  extended_ = true;
}

bool GroupEcho::find(const KeyPlan& plan, std::span<const column::Column> keys, int64_t n, uint8_t** rows, std::vector<int32_t>* unknown) {
  if (off_ || !plan.encoded) return give_up();
  if (extended_) trail_.resize(static_cast<size_t>(begin_));  // by a batch that failed
  extended_ = tried_ = false;
  held_ = 0;
  if (guess_ < 0) return false;
  if (!look_at(plan, keys)) return give_up();
  extend(n);
  if (guess_ < 0) return false;
  tried_ = true;
  unknown->clear();
  int64_t stray = 0;
  for (int64_t j = 0; j < n && stray < kMostStray; end_ = begin_ + j) {
    int64_t held = 0, gone = 0;
    for (; gone <= kMostGone && guess_ + gone < end_; ++gone) {
      held = follow(j, gone == 0 ? n - j : 1, guess_ + gone);
      if (held > 0) break;
    }
    if (held == 0) {  // new, or come from elsewhere
      rows[j] = nullptr;
      unknown->push_back(static_cast<int32_t>(j++));
      ++stray;
      continue;
    }
    guess_ += gone;
    stray = 0;
    std::copy_n(trail_.begin() + guess_, held, rows + j);
    std::copy_n(rows + j, held, trail_.begin() + begin_ + j);
    guess_ += held;
    j += held;
    held_ += held;
    ask_for(guess_);
  }
  if (held_ == 0) return false;
  for (int64_t j = stray >= kMostStray ? unknown->back() + int64_t{1} : n; j < n; ++j) {
    rows[j] = nullptr;
    unknown->push_back(static_cast<int32_t>(j));
  }
  return true;
}

void GroupEcho::learn(uint8_t* const* rows, int64_t n, int64_t made) {
  if (off_ || n == 0) return;
  if (!extended_) extend(n);
  std::copy_n(rows, n, trail_.begin() + begin_);
  end_ = begin_ + n;
  extended_ = false;
  if (tried_ && held_ * 2 > n && guess_ >= 0) {
    misses_ = 0;
    return;
  }
  guess_ = -1;
  if (made * 2 > n) return;  // nothing to be guessed yet
  const auto last = std::find(trail_.rbegin() + 1, trail_.rend(), trail_.back());
  if (last != trail_.rend()) guess_ = trail_.rend() - last;
  if ((tried_ || guess_ < 0) && ++misses_ >= kMostMisses) give_up();
}

void GroupEcho::forget() {
  trail_.clear();
  extended_ = false;
  guess_ = -1;
}

bool GroupEcho::give_up() {
  off_ = true;
  trail_ = {};
  guess_ = -1;
  return false;
}

}  // namespace gristmill::exec
