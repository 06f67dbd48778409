// Limits: skip `offset` rows, pass `count` (-1: all that are left).

#include <algorithm>
#include <limits>

#include "base/status.h"
#include "plan/nodes.h"

namespace gristmill::plan {

arrow::Result<PlanPtr> limit_node(PlanPtr input, int64_t offset, int64_t count) {
  auto p = new_node(PlanKind::kLimit, {input});
  p->schema = input->schema;
  p->offset = offset;
  p->count = count;
  return p;
}

arrow::Result<PlanPtr> make_limit(PlanPtr input, int64_t offset, int64_t count) {
  if (offset < 0) return base::plan_error("the offset of a limit cannot be negative: " + std::to_string(offset));
  if (count < -1) return base::plan_error("the number of rows of a limit cannot be negative: " + std::to_string(count));
  // So that offset + count is a number.
  return limit_node(std::move(input), offset, std::min(count, std::numeric_limits<int64_t>::max() - offset));
}

}  // namespace gristmill::plan
