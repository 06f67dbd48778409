// The first n rows of a sort, without sorting the rest; see top_n.cc.
#pragma once

#include "exec/breaker.h"
#include "exec/sort.h"

namespace gristmill::exec {

inline constexpr int64_t kTopNRows = 1 << 18;  // more than this is sorted as a whole

arrow::Result<Breaker> make_top_n(SortSpec spec, const QueryContext& context);

}  // namespace gristmill::exec
