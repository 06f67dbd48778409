// Keys of one column as numbers that order like its values, packed with those of other columns into one 64-bit prefix.
//
// Which bits a column gets depends on its least and greatest value, so most sets of keys fit whole and a radix sort of the prefixes
// alone orders the rows.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/result.h>

#include "column/batch.h"
#include "column/key_encoding.h"

namespace gristmill::exec {

class KeyPacking {
 public:
  KeyPacking(std::vector<column::Column> columns, std::vector<column::SortKey> order)
      : columns_(std::move(columns)), order_(std::move(order)) {}

  arrow::Status prepare(arrow::MemoryPool* pool);
  struct Extent {
    uint64_t least = ~uint64_t{0}, greatest = 0;
    bool nulls = false;
    void add(const Extent& o);
  };
  // Of rows [begin, end), one a column.
  std::vector<Extent> measure(int64_t begin, int64_t end) const;
  void settle(const std::vector<Extent>& all);
  // Prefixes of rows [begin, end).
  arrow::Status pack(int64_t begin, int64_t end, uint64_t* out) const;
  bool exact() const { return exact_; }
  // The bits below those of the first `columns` columns; -1: they did not fit whole.
  int bits_below(size_t columns) const;

 private:
  struct Part {
    Extent extent;
    int bits = 0;   // of the prefix
    int drop = 0;   // low bits of the code left out
    int shift = 0;  // where its bits lie
    bool coded = true;
  };
  bool coded(size_t c) const;
  template <typename F>
  void for_codes(size_t c, int64_t begin, int64_t end, F&& f) const;

  std::vector<column::Column> columns_;
  std::vector<column::SortKey> order_;
  std::vector<std::vector<uint64_t>> ranks_;  // of dictionary entries
  std::vector<Part> parts_;
  bool exact_ = true;
};

}  // namespace gristmill::exec
