// Time series by key: an operator that looks at the rows of each key one after the other and gives each a further value.
//
// With event time the rows of a key are taken in the order of their times once the watermark is behind them, late ones are dropped and
// counted; without it they are taken as they come. Rows leave when their value is known: all but backward and linear filling know it at
// once.
//
// What keys remember must fit the memory limit; with a time to live a key that has shown nothing for that long starts anew.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "expr/node.h"
#include "stream/stateful.h"
#include "stream/window_spec.h"

namespace gristmill::stream {

enum class SeriesKind : uint8_t { kRolling, kEwma, kLogReturn, kTimeDifference, kFill, kGaps };
enum class RollingKind : uint8_t { kSum, kMean, kMin, kMax, kCount, kVar, kStd };
enum class FillKind : uint8_t { kNull, kForward, kBackward, kLinear, kZero, kMean };

struct SeriesSpec {
  SeriesKind kind = SeriesKind::kRolling;
  std::optional<EventTime> time;  // kLinear, kGaps, a rolling length and kTimeDifference need it
  bool in_order = false;          // rows come in the order of their times already: they are taken as they come
  std::vector<expr::NodePtr> keys;
  std::string column;  // kGaps: of time, the start of a step
  std::string output;  // of the further column; kFill: the column itself
  std::string ttl;

  RollingKind rolling = RollingKind::kMean;
  int64_t rows = 0;         // kRolling: so many rows, the row itself among them
  std::string length;       // kRolling: or those less than so long before it
  int64_t min_periods = 0;  // values wanted; 0: all of `rows`, one of `length`
  int ddof = 1;

  double alpha = 0;  // kEwma
  bool adjust = true;

  FillKind fill = FillKind::kForward;  // kFill, kGaps
  std::string every;                   // kGaps: the step; a row is made for each one between two rows of a key
  std::string end;                     // kGaps: a column that is the start plus the step; empty: there is none
};

arrow::Result<StatefulOperatorPtr> make_series(const SeriesSpec& spec, const std::shared_ptr<arrow::Schema>& input);

}  // namespace gristmill::stream
