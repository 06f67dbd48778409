// A join whose build side is on disk: the probe side goes there too, split the same way, and the partitions are joined
// one by one.
//
// A partition whose build rows do not fit is split by further bits of the hash; where that does not help (one key) its build
// rows are taken in parts, each against all probe rows. Matches of one probe row are made in build order, and every joined
// row carries the order of its probe row; a stable sort by it gives the order of the join that fits in memory.
#pragma once

#include <memory>

#include "exec/breaker.h"
#include "exec/join_build.h"

namespace gristmill::exec {

// When rows leave out of order the build row's order leaves as one more column, by which the rows are still to be sorted.
arrow::Result<Breaker> make_join_grace(std::shared_ptr<JoinState> state);

}  // namespace gristmill::exec
