// The second half of an as-of join's lookup: among the build rows of equal keys, the one whose `on` is nearest.
//
// Values of `on` are mapped to 64-bit words that order like them (NaN greatest and equal to itself, -0.0 like 0.0). The index
// holds the build rows by (first row of their key, word, row): one binary search a probe row, and of equal values backward finds the
// last row, forward the first. The order is total, so how it was sorted does not show.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/result.h>

#include "column/column.h"
#include "exec/join.h"
#include "exec/join_table.h"

namespace gristmill::exec {

// Words of all rows; anything under a null. `c`: integers, floats, dates, times, timestamps, durations.
arrow::Status near_words(const column::Column& c, int64_t rows, arrow::MemoryPool* pool, std::vector<uint64_t>& out);
bool can_be_near(const arrow::DataType& canonical);

// A build row beside the word it was found by.
struct NearRow {
  int32_t row = kNoRow;
  uint64_t word = 0;
};
struct NearPair {
  NearRow back, forward;  // the greatest not after, the smallest not before
};

// Which of the two it is, if any.
class NearRule {
 public:
  NearRule() = default;
  NearRule(const AsofSpec& spec, bool floats) : spec_(spec), floats_(floats) {}
  bool looks_back() const { return spec_.strategy != plan::AsofStrategy::kForward; }
  bool looks_forward() const { return spec_.strategy != plan::AsofStrategy::kBackward; }
  bool exact() const { return spec_.allow_exact; }
  // Equally near: backward.
  const NearRow* choose(uint64_t word, const NearPair& found) const;

 private:
  bool within(uint64_t a, uint64_t b) const;
  bool nearer(uint64_t word, uint64_t a, uint64_t b) const;  // a at most as far as b
  AsofSpec spec_;
  bool floats_ = false;
};

class NearIndex {
 public:
  // `on`: of all build rows, no nulls.
  static arrow::Result<std::unique_ptr<NearIndex>> make(const JoinTable& table, const column::Column& on, int64_t rows,
                                                        arrow::MemoryPool* pool);
  static constexpr int64_t kBytesPerRow = 40;  // while building
  int64_t pieces() const;
  void sort(int64_t piece);  // at the same time
  void merge();              // after all pieces

  // `head`: first row of the key.
  NearPair find(int32_t head, uint64_t word, const NearRule& rule) const;

 private:
  struct Entry {
    uint64_t word;
    int32_t row;
    int32_t head;
    bool operator<(const Entry& o) const {
      if (head != o.head) return head < o.head;
      return word != o.word ? word < o.word : row < o.row;
    }
  };
  Entry* entries() const;
  int32_t* begins() const;  // of a head's entries
  int32_t* ends() const;

  int64_t rows_ = 0;
  std::shared_ptr<arrow::Buffer> entries_, bounds_;
};

}  // namespace gristmill::exec
