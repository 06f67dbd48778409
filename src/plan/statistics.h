// How many rows a plan may give, from what its sources know; how many different values a column has, and what part of the rows a
// predicate keeps. Only for choosing among plans that give the same answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "plan/logical.h"

namespace gristmill::plan {

struct RowEstimate {
  std::optional<int64_t> most;    // never more than this; none: unknown
  std::optional<int64_t> likely;  // a guess; none: no basis for one
};

RowEstimate estimate_rows(const Plan& plan);

// Rows the plan's sources are known to hold, when all of them know.
std::optional<int64_t> source_rows(const Plan& plan);

// The part of `input`'s rows for which the predicate is true, in (0, 1].
double selectivity(const expr::NodePtr& predicate, const Plan& input);

// No more different values than this, filters not counted: the rows of the table it comes from, or the length of the range of its
// whole numbers. None: unknown.
std::optional<double> distinct_values(const Plan& plan, const std::string& column);

}  // namespace gristmill::plan
