// Which type fits all values of a column that were looked at: bool, int64, float64, date, time, timestamp (with or without a zone), else
// text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <arrow/result.h>

#include "column/types.h"
#include "io/csv_plan.h"

namespace gristmill::io {

class TypeGuess {
 public:
  enum Kind : uint8_t { kBool = 1, kInteger = 2, kFloat = 4, kDate = 8, kTime = 16, kLocal = 32, kZoned = 64, kAll = 127 };
  // A value that is not null.
  void add(std::string_view text, const CsvValues& values, bool dates);
  void add_any(uint8_t kinds) { kinds_ &= kinds, seen_ = true; }
  bool seen() const { return seen_; }
  bool is_text() const { return kinds_ == 0; }
  column::TypePtr type() const;  // text when there was no value
  static uint8_t kinds_of(std::string_view text, const CsvValues& values, bool dates, bool& nanos);

 private:
  uint8_t kinds_ = kAll;
  bool seen_ = false;
  bool nanos_ = false;
};

// Guesses for every field of the records of one file, as far as the plan's infer_rows goes.
arrow::Result<std::vector<TypeGuess>> guess_types(const CsvPlan& plan, const CsvFile& file, const BlockRules& rules);

}  // namespace gristmill::io
