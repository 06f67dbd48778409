// Which rows of a batch live: all, a bitmap, or sorted 16-bit indices. Cheap to copy, immutable once shared.
//
// Mask is the result of a predicate: 64-bit words, bit i = row i is true (false and NULL are 0);
// bits at and beyond `rows` are 0.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace gristmill::column {

inline constexpr int64_t kMaxBatchRows = 65536;      // 16-bit indices
inline constexpr int64_t kDefaultBatchRows = 32768;  // measured: 8192 pays 10-20 % more per batch, 65536 leaves L2

struct Mask {
  std::vector<uint64_t> words;
  int64_t rows = 0;

  Mask() = default;
  Mask(int64_t n, bool value);
  bool get(int64_t i) const { return (words[i >> 6] >> (i & 63)) & 1; }
  void set(int64_t i) { words[i >> 6] |= uint64_t{1} << (i & 63); }
  void clear(int64_t i) { words[i >> 6] &= ~(uint64_t{1} << (i & 63)); }
  int64_t count() const;
};

class Selection {
 public:
  Selection() = default;                  // all rows
  static Selection from_mask(Mask mask);  // becomes "all" when every bit is set
  static Selection from_indices(std::vector<uint16_t> sorted, int64_t rows);

  bool all() const { return !state_; }
  int64_t count(int64_t rows) const;  // rows = physical rows of the batch
  bool empty(int64_t rows) const { return count(rows) == 0; }
  // Valid while this selection lives; made on first use (not thread safe until made; batches belong to one worker).
  std::span<const uint16_t> indices(int64_t rows) const;
  const Mask& mask(int64_t rows) const;
  bool contains(int64_t row) const;

  Selection intersect(const Mask& keep) const;
  // Only rows < limit / the first n selected rows / without the first n selected rows.
  Selection below(int64_t limit, int64_t rows) const;
  Selection first(int64_t n, int64_t rows) const;
  Selection skip(int64_t n, int64_t rows) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
  mutable std::shared_ptr<const Mask> full_;  // what mask() gave for "all"
};

}  // namespace gristmill::column
