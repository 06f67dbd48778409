// A guess at the groups of rows that come again and again in the same order, as hourly measurements of the same things do: the row after
// one of group g is of the group that came after g the last time. A guess that holds costs one comparison of the key as it lies in the
// columns; nothing is encoded or hashed.
//
// Only for keys that are encoded rows (group_keys.h). Rows without a good guess are left to the hash tables; which guesses hold
// changes nothing but the time taken.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "column/column.h"
#include "exec/group_keys.h"

namespace gristmill::exec {

class GroupEcho {
 public:
  // Remembers at most so many rows.
  explicit GroupEcho(int64_t most) : most_(most) {}

  // False: no guess for this batch. Else rows[j] is the row of key j or null, and `unknown` lists the latter.
  bool find(const KeyPlan& plan, std::span<const column::Column> keys, int64_t n, uint8_t** rows, std::vector<int32_t>* unknown);
  // The rows of a whole batch, `made` of them new.
  void learn(uint8_t* const* rows, int64_t n, int64_t made);
  // The rows are gone.
  void forget();
  int64_t bytes() const { return static_cast<int64_t>(trail_.capacity() * sizeof(uint8_t*)); }

 private:
  static constexpr int64_t kSpan = 128;
  // A key column as comparisons read it.
  struct Part {
    const arrow::ArrayData* values;
    const int32_t* entries;  // of a dictionary's rows
    column::ValidityBits valid;
    column::Physical physical;
    bool constant;
    std::vector<const uint8_t*> heaps = {};  // of texts: where those that are not in their views lie
  };
  bool look_at(const KeyPlan& plan, std::span<const column::Column> keys);
  template <typename Equal>
  static void compare(const Part& part, int64_t first, int64_t n, const uint8_t** at, uint8_t* same, Equal&& equal);
  static void compare(const Part& part, int64_t first, int64_t n, const uint8_t** at, uint8_t* same);
  // How many of the rows from `first` on have the keys of the trail from `guess` on, up to the first that has not.
  int64_t follow(int64_t first, int64_t n, int64_t guess) const;
  void ask_for(int64_t guess) const;
  void extend(int64_t n);
  bool give_up();

  const int64_t most_;
  bool off_ = false;
  int misses_ = 0;               // batches in a row for which no guess held, though their groups were there
  std::vector<uint8_t*> trail_;  // the groups of the last rows, in order
  int64_t guess_ = -1;           // the next row's group stands here in trail_; -1: unknown
  int64_t begin_ = 0, end_ = 0;  // of the batch at hand in trail_, as far as it is known
  bool extended_ = false;        // its rows have their places there
  bool tried_ = false;           // the batch at hand had a guess
  int64_t held_ = 0;             // rows for which it was right
  std::vector<Part> parts_;
};

}  // namespace gristmill::exec
