// What an expression gives for every entry of a dictionary, and for NULL, kept while batches share the dictionary.
//
// Belongs to one evaluator; only saves work, never changes a result.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "column/column.h"

namespace gristmill::expr {

struct CachedEntries {
  std::shared_ptr<arrow::ArrayData> dictionary;
  int64_t rows_seen = 0;
  bool failed = false;                   // an entry fails: row by row, the row may not be selected
  std::optional<column::Column> values;  // n + 1 rows or constant; the last row is the answer for NULL
  std::vector<uint8_t> truths;           // n + 1: bit 0 true, bit 1 false
};

class EntryCache {
 public:
  // By the serial of the bound expression; starts afresh when the dictionary is another one.
  CachedEntries& at(uint64_t serial, const std::shared_ptr<arrow::ArrayData>& dictionary) {
    CachedEntries& c = by_serial_[serial];
    if (c.dictionary != dictionary) {
      c = {};
      c.dictionary = dictionary;
    }
    return c;
  }

 private:
  std::unordered_map<uint64_t, CachedEntries> by_serial_;
};

}  // namespace gristmill::expr
