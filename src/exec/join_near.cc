// Entries come chain by chain, so keys lie together from the start; sorting touches only what is not in order yet.

#include "exec/join_near.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>

#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "column/simd/dispatch.h"
#include "exec/join_near_walk.h"

namespace gristmill::exec {
namespace {

using column::Physical;

constexpr int64_t kPieceRows = int64_t{1} << 16;
constexpr int64_t kMostWordsPerRow = 32;  // to be walked past: where there are 100, searches take as long
constexpr uint64_t kSign = uint64_t{1} << 63;

uint64_t word_of(double v) {
  if (std::isnan(v)) return ~uint64_t{0};
  const uint64_t bits = std::bit_cast<uint64_t>(v + 0.0);
  return bits & kSign ? ~bits : bits | kSign;
}

double value_of(uint64_t word) { return std::bit_cast<double>(word & kSign ? word & ~kSign : ~word); }

double float_distance(uint64_t a, uint64_t b) { return a == b ? 0 : std::abs(value_of(a) - value_of(b)); }

uint64_t distance(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }

}  // namespace

bool can_be_near(const arrow::DataType& canonical) {
  const Physical p = column::physical_unchecked(canonical);
  return p != Physical::kNull && p != Physical::kBool && p != Physical::kInt128 && p != Physical::kView && p != Physical::kNested;
}

arrow::Status NearWords::read(const column::Column& c, int64_t rows, arrow::MemoryPool* pool) {
  if (!can_be_near(*c.type())) return base::internal_error("an as-of key without distance");
  const Physical p = column::physical_unchecked(*c.type());
  ARROW_ASSIGN_OR_RAISE(column_, column::flatten(c, rows, pool));
  flip_ = p == Physical::kInt64 ? kSign : 0;
  if (p == Physical::kInt64 || p == Physical::kUInt64) {
    at_ = column::values_of<uint64_t>(*column_.values);
    return arrow::Status::OK();
  }
  store_.resize(static_cast<size_t>(rows));
  at_ = store_.data();
  column::visit_number(p, [&]<typename T>() {
    const T* values = column::values_of<T>(*column_.values);
    for (int64_t i = 0; i < rows; ++i) {
      if constexpr (std::is_floating_point_v<T>) {
        store_[static_cast<size_t>(i)] = word_of(static_cast<double>(values[i]));
      } else if constexpr (std::is_signed_v<T>) {
        store_[static_cast<size_t>(i)] = static_cast<uint64_t>(static_cast<int64_t>(values[i])) ^ kSign;
      } else {
        store_[static_cast<size_t>(i)] = static_cast<uint64_t>(values[i]);
      }
    }
  });
  column_ = {};
  return arrow::Status::OK();
}

void NearWords::replace(std::vector<uint64_t> raw) {
  store_ = std::move(raw);
  at_ = store_.data();
  column_ = {};
}

bool NearWords::ascend(int64_t rows) const {
  constexpr int64_t kRows = 4096;
  uint64_t words[kRows / 64];
  const auto& kernels = column::simd::kernels();
  const auto compare = kernels.compare_columns[flip_ ? column::simd::kI64 : column::simd::kU64][column::simd::kLe];
  for (int64_t i = 1; i < rows; i += kRows) {
    const int64_t n = std::min(kRows, rows - i);
    compare(at_ + i - 1, at_ + i, n, words);
    if (kernels.count_bits(words, (n + 63) / 64) != n) return false;
  }
  return true;
}

bool NearRule::within(uint64_t a, uint64_t b) const {
  if (spec_.float_tolerance) return float_distance(a, b) <= *spec_.float_tolerance;
  return !spec_.tolerance || distance(a, b) <= *spec_.tolerance;
}

bool NearRule::nearer(uint64_t word, uint64_t a, uint64_t b) const {
  if (!floats_) return distance(word, a) <= distance(word, b);
  const double x = float_distance(word, a), y = float_distance(word, b);
  return x <= y || std::isnan(y);
}

const NearRow* NearRule::choose(uint64_t word, const NearPair& found) const {
  const NearRow* best = found.back.row >= 0 ? &found.back : nullptr;
  if (found.forward.row >= 0 && (!best || !nearer(word, found.back.word, found.forward.word))) best = &found.forward;
  return best && within(word, best->word) ? best : nullptr;
}

NearIndex::NearIndex() : serial_([] {
  static std::atomic<uint64_t> made{0};
  return ++made;
}()) {}

arrow::Result<std::unique_ptr<NearIndex>> NearIndex::make(const JoinTable* table, const column::Column& on, int64_t rows,
                                                          arrow::MemoryPool* pool) {
  auto out = std::make_unique<NearIndex>();
  out->rows_ = rows;
  NearWords words;
  ARROW_RETURN_NOT_OK((table ? words : out->chain_).read(on, rows, pool));
  if (!table && out->chain_.ascend(rows)) return out;
  ARROW_ASSIGN_OR_RAISE(out->entries_, column::allocate_buffer(rows * static_cast<int64_t>(sizeof(Entry)), pool));
  out->all_ = reinterpret_cast<Entry*>(out->entries_->mutable_data());
  if (!table) return out;
  ARROW_ASSIGN_OR_RAISE(out->bounds_, column::allocate_buffer(rows * 8, pool));
  out->begins_ = reinterpret_cast<int32_t*>(out->bounds_->mutable_data());
  constexpr int32_t kNew = -1, kSeen = -2;
  std::fill_n(out->begins(), rows, kNew);
  const int32_t* const next = table->next();
  int32_t at = 0;
  for (int32_t head = 0; head < rows; ++head) {
    if (out->begins()[head] != kNew) continue;
    const int32_t begin = at;
    for (int32_t row = head; row >= 0; row = next ? next[row] : kNoRow) {
      out->begins()[row] = kSeen;
      out->entries()[at++] = {words[row], row, head};
    }
    out->begins()[head] = begin;
    out->ends()[head] = at;
  }
  return out;
}

int64_t NearIndex::pieces() const { return all_ ? (rows_ + kPieceRows - 1) / kPieceRows : 0; }

void NearIndex::sort(int64_t piece) {
  const int64_t first = piece * kPieceRows, last = std::min(rows_, first + kPieceRows);
  Entry *const begin = entries() + first, *const end = entries() + last;
  if (one_chain()) {
    for (int64_t i = first; i < last; ++i) entries()[i] = {chain_[i], static_cast<int32_t>(i), 0};
  }
  if (!std::is_sorted(begin, end)) std::sort(begin, end);
}

void NearIndex::merge() {
  if (!all_) return;
  Entry* const all = entries();
  for (int64_t width = kPieceRows; width < rows_; width *= 2) {
    for (int64_t begin = 0; begin + width < rows_; begin += 2 * width) {
      Entry* const middle = all + begin + width;
      if (*middle < middle[-1]) std::inplace_merge(all + begin, middle, all + std::min(rows_, begin + 2 * width));
    }
  }
  if (!one_chain()) return;
  std::vector<uint64_t> raw(static_cast<size_t>(rows_));
  chain_rows_.resize(raw.size());
  for (size_t i = 0; i < raw.size(); ++i) {
    raw[i] = all[i].word ^ chain_.flip();
    chain_rows_[i] = all[i].row;
  }
  chain_.replace(std::move(raw));
  all_ = nullptr;
  entries_.reset();
}

// The first entry of a key that is not before what is sought.
template <typename Before>
int32_t NearIndex::seek(int32_t head, NearCursors& cursors, Before&& before) const {
  int32_t low = begin_of(head), high = end_of(head);
  int32_t& at = cursors.at(head, low);
  // What is sought lies within (low, high]; from the last place on in steps that double.
  if (at < high && before(word_at(at))) {
    low = at + 1;
    for (int32_t step = 1; low < high && step <= high - low; step *= 2) {
      if (!before(word_at(low + step - 1))) {
        high = low + step - 1;
        break;
      }
      low += step;
    }
  } else {
    high = at;
    for (int32_t step = 1; low < high && step <= high - low; step *= 2) {
      if (before(word_at(high - step))) {
        low = high - step + 1;
        break;
      }
      high -= step;
    }
  }
  while (low < high) {
    const int32_t middle = low + (high - low) / 2;
    if (before(word_at(middle))) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return at = low;
}

int32_t NearIndex::search_back(int32_t head, uint64_t word, bool exact, NearCursors& cursors) const {
  const int32_t at = exact ? seek(head, cursors, [word](uint64_t w) { return w <= word; })
                           : seek(head, cursors, [word](uint64_t w) { return w < word; });
  NearCursors::Place& p = cursors.of(head);
  p.row = at > begin_of(head) ? row_at(at - 1) : kNoRow;
  // All words from the entry before to the next one, of which one end is in.
  const uint64_t past = exact ? 0 : 1;
  p.base = at > begin_of(head) ? word_at(at - 1) + past : 0;
  p.span = (at < end_of(head) ? word_at(at) - 1 + past : ~uint64_t{0}) - p.base;
  p.found = true;
  return p.row;
}

// Places of rows that ascend; false if they lie too far apart.
bool NearIndex::walk_places(const NearWords& words, int64_t n, bool or_equal, int32_t less, NearCursors& cursors, int32_t* places) const {
  const auto seek_row = [&](int64_t i) {
    const uint64_t word = words[i];
    return or_equal ? seek(0, cursors, [word](uint64_t w) { return w <= word; })
                    : seek(0, cursors, [word](uint64_t w) { return w < word; });
  };
  const int32_t low = seek_row(0), high = seek_row(n - 1), m = static_cast<int32_t>(rows_);
  if (high - low > kMostWordsPerRow * n) return false;
  const auto walk = [&]<typename T>(T) {
    const T *const rows = reinterpret_cast<const T*>(words.raw()), *const index = reinterpret_cast<const T*>(chain_.raw());
    or_equal ? exec::walk_places<T, true>(rows, n, index, m, low, high, less, places)
             : exec::walk_places<T, false>(rows, n, index, m, low, high, less, places);
  };
  chain_.flip() ? walk(int64_t{}) : walk(uint64_t{});
  return true;
}

bool NearIndex::walk(const NearWords& words, int64_t n, const NearRule& rule, NearCursors& cursors, NearPlaces& places,
                     int32_t* rows) const {
  if (!one_chain() || n == 0 || words.flip() != chain_.flip() || !words.ascend(n)) return false;
  if (rule.only_back()) {
    if (!walk_places(words, n, rule.exact(), 1, cursors, rows)) return false;
    for (int64_t i = 0; !chain_rows_.empty() && i < n; ++i) rows[i] = rows[i] < 0 ? kNoRow : row_at(rows[i]);
    return true;
  }
  places.back.resize(static_cast<size_t>(n));
  places.forward.resize(static_cast<size_t>(n));
  int32_t *const back = places.back.data(), *const forward = places.forward.data();
  if (rule.looks_back() && !walk_places(words, n, rule.exact(), 1, cursors, back)) return false;
  if (rule.looks_forward() && !walk_places(words, n, !rule.exact(), 0, cursors, forward)) return false;
  const int32_t m = static_cast<int32_t>(rows_);
  for (int64_t i = 0; i < n; ++i) {
    NearPair found;
    if (rule.looks_back() && back[i] >= 0) found.back = {row_at(back[i]), word_at(back[i])};
    if (rule.looks_forward() && forward[i] < m) found.forward = {row_at(forward[i]), word_at(forward[i])};
    const NearRow* const chosen = rule.choose(words[i], found);
    rows[i] = chosen ? chosen->row : kNoRow;
  }
  return true;
}

void NearIndex::find_back_all(const NearWords& words, int64_t n, bool exact, NearCursors& cursors, int32_t* rows) const {
  if (n == 0) return;
  (void)find_back(0, words[0], exact, cursors);
  NearCursors::Place p = cursors.of(0);
  for (int64_t i = 0; i < n; ++i) {
    if (__builtin_expect(words[i] - p.base > p.span, 0)) {
      search_back(0, words[i], exact, cursors);
      p = cursors.of(0);
    }
    rows[i] = p.row;
  }
}

NearPair NearIndex::find(int32_t head, uint64_t word, const NearRule& rule, NearCursors& cursors) const {
  const auto below = [word](uint64_t w) { return w < word; };
  const auto to = [word](uint64_t w) { return w <= word; };
  NearPair out;
  if (rule.looks_back()) {
    const int32_t at = rule.exact() ? seek(head, cursors, to) : seek(head, cursors, below);
    if (at > begin_of(head)) out.back = {row_at(at - 1), word_at(at - 1)};
  }
  if (rule.looks_forward()) {
    const int32_t at = rule.exact() ? seek(head, cursors, below) : seek(head, cursors, to);
    if (at < end_of(head)) out.forward = {row_at(at), word_at(at)};
  }
  return out;
}

}  // namespace gristmill::exec
