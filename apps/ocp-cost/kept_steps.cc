#include "kept_steps.h"

#include <algorithm>

namespace ocp {

namespace {

constexpr int64_t kHeldShare = 32;   // of the limit, for each step's rows
constexpr int64_t kLeastShare = 2;   // of the limit is left for a query in any case

}  // namespace

gristmill::ParallelOptions KeptSteps::options() const {
  gristmill::ParallelOptions out = given_;
  if (out.memory_limit > 0) out.memory_limit = std::max(out.memory_limit - held_, out.memory_limit / kLeastShare);
  return out;
}

arrow::Result<KeptSteps::Kept> KeptSteps::run(const std::vector<gristmill::Frame>& rows) {
  gristmill::ParallelOptions step = options();
  step.ordered = false;
  gristmill::HoldOptions hold;
  if (given_.memory_limit > 0) hold.memory_bytes = given_.memory_limit / kHeldShare;
  ARROW_ASSIGN_OR_RAISE(const auto held, gristmill::hold_together(rows, step, cancel_, hold));
  Kept out;
  for (const gristmill::Held& h : held) {
    out.frames.push_back(h.frame);
    out.rows += h.rows;
    out.spilled_bytes += h.spilled_bytes;
    held_ += h.memory_bytes;
  }
  return out;
}

}  // namespace ocp
