// A join of two streams whose times its conditions hold together: pairs leave as the watermarks of both go on.
#pragma once

#include <optional>
#include <vector>

#include <arrow/result.h>

#include "sql/stream_part.h"

namespace gristmill::sqltext {

// The columns of the inner or left join `join` of these two. `conditions`: what a pair must meet beside the join's keys, called as in the
// output of an inner join, as in the residual of a left one; those that say how far apart the times may be are taken out, of a left join
// all. Nothing where one side is no stream with event time, or the times are not held together at both ends.
arrow::Result<std::optional<Part>> join_within(const plan::Plan& join, const Part& left, const Part& right,
                                               std::vector<expr::NodePtr>& conditions);

}  // namespace gristmill::sqltext
