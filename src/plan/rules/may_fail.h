// Whether a plan can fail by the values of its rows.
#pragma once

#include "plan/logical.h"

namespace gristmill::plan {

// Whether anything that `p` computes row by row may fail.
arrow::Result<bool> may_fail(const Plan& p);
// Whether rows of groups that nobody asks for may be left out: nothing that the aggregation itself computes can fail on them.
arrow::Result<bool> groups_may_go(const Plan& aggregate);

}  // namespace gristmill::plan
