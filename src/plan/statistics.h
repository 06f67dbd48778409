// How many rows a plan may give, from what its sources know.
#pragma once

#include <cstdint>
#include <optional>

#include "plan/logical.h"

namespace gristmill::plan {

struct RowEstimate {
  std::optional<int64_t> most;    // never more than this; none: unknown
  std::optional<int64_t> likely;  // a guess with fixed selectivities; none: no basis for one
};

RowEstimate estimate_rows(const Plan& plan);

}  // namespace gristmill::plan
