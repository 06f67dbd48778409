// The build side of a hash join: a sink that keeps rows, then phases that put them in input order, build the lookup
// table and publish the runtime filters.
//
// Build row numbers are positions in the input's order, so everything that follows is independent of which worker
// brought which row. If the rows do not fit, they are on disk after the first phase and the others do nothing.
#pragma once

#include <memory>
#include <vector>

#include "exec/breaker.h"
#include "exec/join_filter.h"
#include "exec/join_prober.h"
#include "exec/join_spill.h"

namespace gristmill::exec {

// Shared by the build's sink and phases, the probe operator and the spilled join.
struct JoinState {
  JoinState(std::shared_ptr<const JoinShape> s, const QueryContext& c)
      : shape(std::move(s)), context(c), rows(shape, shape->build, context, "join build") {}

  const std::shared_ptr<const JoinShape> shape;
  const QueryContext context;
  JoinRows rows;                                                     // while building, and when spilled
  KeyRange range;                                                    // of the build keys; the sink's combine() widens it
  BuildRows built;                                                   // after the phases, unless spilled
  std::unique_ptr<BuildMarks> marks;                                 // of `built`, for kinds that keep build rows
  std::vector<std::pair<int, std::shared_ptr<JoinFilter>>> filters;  // number of the key, filter
};

// What looking rows up takes beside the rows, while it is built.
inline int64_t table_bytes_per_row(const JoinShape& shape) {
  return (shape.needs_table() ? JoinTableBuilder::bytes_per_row(shape.layout) : 0) + (shape.spec.asof ? NearIndex::kBytesPerRow : 0) +
         (shape.keeps_build() ? 1 : 0);
}

Breaker make_join_build(std::shared_ptr<JoinState> state);
std::shared_ptr<const Operator> make_join_probe(std::shared_ptr<const JoinState> state);
// The build rows without a mark, in order, with nulls for the probe side. Read when every probe row has passed.
std::shared_ptr<Source> make_unmatched_source(std::shared_ptr<const JoinState> state);

}  // namespace gristmill::exec
