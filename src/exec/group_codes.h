// Small numbers for the values of one key column, given out as values come: 1, 2, 3, ...; null is 0.
//
// Equal values get equal numbers in every encoding and batch, floats by their canonical bits, and a number once given stays.
// There are not more than kMost: the map is meant to stay in the nearest caches, and is no use where it would not.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "column/column.h"
#include "column/simd/hash_mix.h"
#include "column/types.h"

namespace gristmill::exec {

class ValueCodes {
 public:
  static constexpr int32_t kMost = 4096;
  static constexpr int32_t kUnknown = -1;  // too many values

  ValueCodes();
  // Numbers and texts but not those of 128 bits.
  static bool takes(column::Physical p);

  // codes[i] = codes[i] * size + the number of row i, or negative where it was that already or the number is not below size. All
  // rows of one column have one physical type, the same at every call.
  void append(const column::Column& key, column::Physical p, int64_t n, int32_t size, int32_t* codes);
  int32_t count() const { return count_; }
  int64_t bytes() const;

 private:
  // A number's bits and 0, or a text as its view lies; a long one with its address here.
  struct Slot {
    uint64_t head = ~uint64_t{0};  // free: no text is that long and no number has this tail
    uint64_t tail = 1;
    int32_t code = 0;
  };
  static uint64_t place(uint64_t head, uint64_t tail) {
    return column::wide_product(head ^ column::kText0, tail ^ column::kText1);
  }
  int32_t code_of(uint64_t head, uint64_t tail) {
    const Slot& s = slots_[place(head, tail) & mask_];
    if (__builtin_expect(s.head == head && s.tail == tail, 1)) return s.code;
    return look_further(head, tail);
  }
  int32_t look_further(uint64_t head, uint64_t tail);
  int32_t code_of_long(std::string_view text);
  int32_t number(uint64_t head, uint64_t tail, uint64_t hash);
  void grow();
  int32_t code_at(const arrow::ArrayData& values, column::Physical p, int64_t row);
  template <typename Code>
  static void join(const arrow::ArrayData& rows, int64_t n, int32_t size, int32_t* codes, Code&& code);
  const int32_t* translate(const std::shared_ptr<arrow::ArrayData>& entries, column::Physical p);

  std::vector<Slot> slots_;
  uint64_t mask_;
  int32_t count_ = 0;
  std::deque<std::string> long_texts_;
  int64_t long_bytes_ = 0;
  std::shared_ptr<arrow::ArrayData> entries_;  // the dictionary that codes_of_entries_ is for
  std::vector<int32_t> codes_of_entries_;
};

}  // namespace gristmill::exec
