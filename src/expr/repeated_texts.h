// What rows of a batch with the same texts gave before: for kernels whose work on a text costs more than finding it again.
//
// Belongs to one call of a kernel and holds what it made for the different texts; only saves work, never changes a result.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "column/simd/hash_mix.h"
#include "expr/kernel.h"

namespace gristmill::expr {

class RepeatedTexts {
 public:
  RepeatedTexts(std::span<const TextArgument> texts, int64_t rows)
      : texts_(texts), slots_(std::bit_ceil(static_cast<size_t>(std::max<int64_t>(rows, 1)) * 2)) {}

  // True: `made` is what the texts of `row` gave before. Else they are new, and keep() says what they gave.
  bool find(int64_t row, std::string& made) {
    uint64_t hash = 0;
    for (const TextArgument& text : texts_) hash = column::combine_hash(hash, hash_of(text[row]));
    const size_t mask = slots_.size() - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
      const uint32_t number = slots_[at];
      if (number == 0) {
        free_ = at;
        next_ = {row, bytes_.size(), 0, hash >> 32};
        return false;
      }
      const Known& known = known_[number - 1];
      if (known.hash_high != hash >> 32 || !same(known.row, row)) continue;
      made.assign(bytes_, known.begin, known.size);
      return true;
    }
  }

  void keep(std::string_view made) {
    next_.size = made.size();
    known_.push_back(next_);
    bytes_.append(made);
    slots_[free_] = static_cast<uint32_t>(known_.size());
  }

 private:
  struct Known {
    int64_t row;
    size_t begin, size;
    uint64_t hash_high;
  };

  static uint64_t hash_of(std::string_view s) {
    if (s.size() >= 8) return column::hash_long_text(reinterpret_cast<const uint8_t*>(s.data()), s.size());
    uint64_t word = 0;
    if (!s.empty()) std::memcpy(&word, s.data(), s.size());
    return column::hash_words(word, s.size());
  }
  bool same(int64_t a, int64_t b) const {
    return std::all_of(texts_.begin(), texts_.end(), [&](const TextArgument& text) { return text[a] == text[b]; });
  }

  const std::span<const TextArgument> texts_;
  std::vector<uint32_t> slots_;  // number in known_, plus one; twice as many as rows
  std::vector<Known> known_;
  std::string bytes_;
  size_t free_ = 0;  // where what find() did not know will be
  Known next_{};
};

}  // namespace gristmill::expr
