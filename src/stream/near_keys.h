// Keys of a batch that are whole numbers of a small range: a number's distance from the least one is the place of its group's row in an
// array, so that most rows find their group without a hash and a comparison.
//
// The array lives as long as one table is filled from one batch; rows whose place is empty are left to the table's index.
#pragma once

#include <cstdint>
#include <vector>

#include "column/column.h"

namespace gristmill::stream {

// Scratch of one worker.
class NearKeys {
 public:
  // Whether the key column of n rows is such, its nulls included (there must be none).
  bool see(const column::Column& key, int64_t n);
  // Another table: no place is known.
  void forget() { rows_.assign(static_cast<size_t>(range_), nullptr); }
  int64_t range() const { return range_; }

  // rows[k] = the row of key begin + k, or null; those that are null. Returns how many these are.
  int64_t look_up(int64_t begin, int64_t n, uint8_t** rows, uint16_t* missing) const {
    const int32_t* const places = places_.data() + begin;
    int64_t lost = 0;
    for (int64_t k = 0; k < n; ++k) {
      rows[k] = rows_[static_cast<size_t>(places[k])];
      missing[lost] = static_cast<uint16_t>(k);
      lost += rows[k] == nullptr;
    }
    return lost;
  }
  void remember(int64_t j, uint8_t* row) { rows_[static_cast<size_t>(places_[static_cast<size_t>(j)])] = row; }

 private:
  std::vector<int32_t> places_;
  std::vector<uint8_t*> rows_;
  int64_t range_ = 0;
};

}  // namespace gristmill::stream
