// How far apart two streams' times may be, read from the conditions of a join:
//
//   b.ts between a.ts - interval '5 seconds' and a.ts + interval '1 minute'      b.ts - a.ts < interval '1 hour' and b.ts >= a.ts
//
// A condition counts when it compares sums of the two times and constants, each time once; what else there is stays as it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <arrow/type_fwd.h>

#include "expr/node.h"

namespace gristmill::sqltext {

// Of the right time less the left one, in ticks of both; both ends belong to it.
struct TimeBounds {
  std::optional<int64_t> lower, upper;
  void at_least(int64_t ticks);
  void at_most(int64_t ticks);
};

// Takes the conditions that say only this out of `conditions`. `left`, `right`: the columns' names there; `time`: the type of both.
TimeBounds take_time_bounds(std::vector<expr::NodePtr>& conditions, const std::string& left, const std::string& right,
                            const arrow::DataType& time);
// As a length of time is written, with a minus before it where it is negative.
std::string length_text(int64_t ticks, const arrow::DataType& time);

}  // namespace gristmill::sqltext
