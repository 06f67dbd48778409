// The second half of an as-of join's lookup: among the build rows of equal keys, the one whose `on` is nearest.
//
// Values of `on` are mapped to 64-bit words that order like them (NaN greatest and equal to itself, -0.0 like 0.0). The index
// holds the build rows by (first row of their key, word, row), and of equal values backward finds the last row, forward the first. The
// order is total, so how it was sorted does not show. Without keys a column that ascends is the index. A search goes out from where the
// key's last one ended, in growing steps: probe rows that come in the order of `on` find their row next to it; without keys both sides
// are walked together.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/result.h>

#include "column/column.h"
#include "exec/join.h"
#include "exec/join_table.h"

namespace gristmill::exec {

// The words of a column's rows. 64-bit integers and times are read where they lie: making 10M words takes 10 ms.
class NearWords {
 public:
  NearWords() = default;
  NearWords(const NearWords&) = delete;
  NearWords& operator=(const NearWords&) = delete;
  // Anything under a null. `c`: integers, floats, dates, times, timestamps, durations.
  arrow::Status read(const column::Column& c, int64_t rows, arrow::MemoryPool* pool);
  uint64_t operator[](int64_t i) const { return at_[i] ^ flip_; }
  bool ascend(int64_t rows) const;
  // What lies there: with `flip` signed numbers that order like the words, else the words.
  const uint64_t* raw() const { return at_; }
  uint64_t flip() const { return flip_; }
  // Other words of the same kind: raw ones.
  void replace(std::vector<uint64_t> raw);

 private:
  const uint64_t* at_ = nullptr;
  uint64_t flip_ = 0;
  column::Column column_;        // what `at_` points into, or
  std::vector<uint64_t> store_;  // this
};

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
  // The greatest not after, however far: nothing to choose.
  bool only_back() const { return spec_.strategy == plan::AsofStrategy::kBackward && !spec_.tolerance && !spec_.float_tolerance; }
  // Equally near: backward.
  const NearRow* choose(uint64_t word, const NearPair& found) const;

 private:
  bool within(uint64_t a, uint64_t b) const;
  bool nearer(uint64_t word, uint64_t a, uint64_t b) const;  // a at most as far as b
  AsofSpec spec_;
  bool floats_ = false;
};

// Where searches ended, by key, and what else would have ended there; a worker's. Of two keys in one place the later one stays.
class NearCursors {
 public:
  struct Place {
    int32_t head = kNoRow;
    int32_t at = 0;                 // the first entry that is not before what was sought
    int32_t row = kNoRow;           // before it, of a search that only looks back ...
    uint64_t base = 1, span = 0;    // ... which has it for words from base to base + span
    bool found = false;             // these three are known
  };
  NearCursors() : places_(kPlaces) {}
  void forget() { std::fill(places_.begin(), places_.end(), Place()); }  // another index
  Place& of(int32_t head) { return places_[static_cast<size_t>(head) & (kPlaces - 1)]; }
  int32_t& at(int32_t head, int32_t begin) {
    Place& p = of(head);
    if (p.head != head) {
      p.head = head;
      p.at = begin;
    }
    p.found = false;
    return p.at;
  }

 private:
  static constexpr size_t kPlaces = 4096;
  std::vector<Place> places_;
};

// Of a batch's rows; a worker's scratch.
struct NearPlaces {
  std::vector<int32_t> back, forward;
};

class NearIndex {
 public:
  // `on`: of all build rows, no nulls. `table`: null when no keys must be equal.
  static arrow::Result<std::unique_ptr<NearIndex>> make(const JoinTable* table, const column::Column& on, int64_t rows,
                                                        arrow::MemoryPool* pool);
  NearIndex();
  uint64_t serial() const { return serial_; }  // unlike any other index's; for cursors
  static constexpr int64_t kBytesPerRow = 40;  // while building
  int64_t pieces() const;
  void sort(int64_t piece);  // at the same time
  void merge();              // after all pieces, or none

  // `head`: first row of the key.
  NearPair find(int32_t head, uint64_t word, const NearRule& rule, NearCursors& cursors) const;
  // The chosen rows for n rows of the one chain if they come in the order of `on` and lie near each other; else false and nothing.
  bool walk(const NearWords& words, int64_t n, const NearRule& rule, NearCursors& cursors, NearPlaces& places, int32_t* rows) const;
  // find_back for n rows of the one chain.
  void find_back_all(const NearWords& words, int64_t n, bool exact, NearCursors& cursors, int32_t* rows) const;
  bool one_chain() const { return begins_ == nullptr; }  // no keys must be equal
  // Of a rule that only looks back: the row, or kNoRow. `cursors`: always used with the same `exact`.
  int32_t find_back(int32_t head, uint64_t word, bool exact, NearCursors& cursors) const {
    const NearCursors::Place& p = cursors.of(head);
    if (p.found && p.head == head && word - p.base <= p.span) return p.row;
    return search_back(head, word, exact, cursors);
  }

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
  Entry* entries() const { return all_; }
  int32_t* begins() const { return begins_; }  // of a head's entries
  int32_t* ends() const { return begins_ + rows_; }
  int32_t begin_of(int32_t head) const { return begins_ ? begins_[head] : 0; }
  int32_t end_of(int32_t head) const { return begins_ ? ends()[head] : static_cast<int32_t>(rows_); }
  uint64_t word_at(int32_t place) const { return begins_ ? all_[place].word : chain_[place]; }
  int32_t row_at(int32_t place) const {
    if (begins_) return all_[place].row;
    return chain_rows_.empty() ? place : chain_rows_[static_cast<size_t>(place)];
  }
  bool walk_places(const NearWords& words, int64_t n, bool or_equal, int32_t less, NearCursors& cursors, int32_t* places) const;
  template <typename Before>  // of a word
  int32_t seek(int32_t head, NearCursors& cursors, Before&& before) const;
  int32_t search_back(int32_t head, uint64_t word, bool exact, NearCursors& cursors) const;

  const uint64_t serial_;
  int64_t rows_ = 0;
  // The one chain, where no keys must be equal: words in order beside their rows, of which there are none if row i is at place i.
  NearWords chain_;
  std::vector<int32_t> chain_rows_;
  std::shared_ptr<arrow::Buffer> entries_, bounds_;  // of keys; of the one chain while it is sorted
  Entry* all_ = nullptr;  // in the buffers
  int32_t* begins_ = nullptr;
};

}  // namespace gristmill::exec
