// A join node's expressions, bound: what make_hash_join wants to know.
#pragma once

#include <arrow/result.h>

#include "exec/join.h"

namespace gristmill::exec {

// A join without keys gets one that is equal everywhere.
arrow::Result<JoinSpec> join_spec(const plan::Plan& join);
// Whether a row of the side that is not built may fail in the join: none may be dropped before it then.
bool probe_may_fail(const JoinSpec& spec);

}  // namespace gristmill::exec
