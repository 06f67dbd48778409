// The shortest way from key to group: keys of few possible values (dictionary entries, bools, integers of a small range, any
// column of few values, and combinations) are numbers, and the number is the place of the group's row in an array. No hash and no
// comparison of whole keys.
//
// Rows whose place is still empty, or whose value is outside the range, are left to the hash tables and told here afterwards. Which
// keys qualify is found out batch by batch and changes nothing but the time taken.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "column/column.h"
#include "exec/group_codes.h"
#include "exec/group_keys.h"

namespace gristmill::exec {

class DirectMap {
 public:
  // Knows at most so many numbers.
  explicit DirectMap(int64_t most) : most_(most) {}

  // False: not for these keys, or not for this batch. Else rows[j] is the row of key j or null, and `unknown` lists
  // the latter.
  bool find(const KeyPlan& plan, std::span<const column::Column> keys, int64_t n, uint8_t** rows, std::vector<int32_t>* unknown);
  // The row of key j of the batch last looked up, now; null if it is not known.
  uint8_t* row_of(int64_t j) const {
    const int32_t code = codes_[static_cast<size_t>(j)];
    return code < 0 ? nullptr : rows_[static_cast<size_t>(code)];
  }
  // Of a batch of n rows so many were found by hashing.
  void judge(int64_t n, int64_t hashed);
  // The row of key j of that batch.
  void remember(int64_t j, uint8_t* row) {
    const int32_t code = codes_[static_cast<size_t>(j)];
    if (code >= 0) rows_[static_cast<size_t>(code)] = row;
  }
  // The rows are gone.
  void forget();
  int64_t bytes() const;

 private:
  // How a column becomes a number below `size`; null is 0.
  struct Part {
    int64_t base = 0;  // integers of a small range: the value of number 1
    int64_t size = 0;
    std::shared_ptr<arrow::ArrayData> dictionary;  // the number of an entry is its place, plus one
    std::unique_ptr<ValueCodes> values;            // as they come
  };
  // `room`: for so many values more than a column has by now.
  bool set_up(const KeyPlan& plan, std::span<const column::Column> keys, int64_t n, int64_t widest, int64_t most, int32_t room);
  bool set_up_part(const KeyPlan& plan, size_t c, const column::Column& key, int64_t n, int64_t widest, int32_t room, Part* part);
  bool set_up_values(const KeyPlan& plan, size_t c, const column::Column& key, int64_t n, int32_t room, Part* part);
  bool matches(std::span<const column::Column> keys) const;
  bool outgrown() const;
  void encode(const KeyPlan& plan, std::span<const column::Column> keys, int64_t n);
  int64_t look_up(int64_t n, uint8_t** rows, std::vector<int32_t>* unknown) const;
  bool give_up();

  const int64_t most_;
  bool off_ = false;
  int set_ups_ = 0;
  int misses_ = 0;  // batches in a row that gained little
  std::vector<Part> parts_;
  std::vector<uint8_t*> rows_;
  std::vector<int32_t> codes_;
};

}  // namespace gristmill::exec
