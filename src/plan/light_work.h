// How much there is to do for a plan of cheap steps over tables in memory, so that a query that is over before another worker has woken
// stays on its caller's thread. Only for choosing where work is done: answers do not depend on it.
#pragma once

#include <cstdint>
#include <optional>

#include "plan/logical.h"

namespace gristmill::plan {

// Values computed or copied, counted in additions of a number (about half a nanosecond each). None: not known to be little, as some
// step is no filter, projection or limit, or some expression takes longer than arithmetic and comparisons.
std::optional<int64_t> light_work(const Plan& plan);

}  // namespace gristmill::plan
