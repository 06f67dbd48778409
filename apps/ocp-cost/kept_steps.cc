#include "kept_steps.h"

#include <algorithm>
#include <cstdlib>

namespace ocp {

namespace {

constexpr int64_t kHeldShare = 32;                    // of the limit, for each step's rows
constexpr int64_t kQueryShare = 3;                    // of the limit, for a query: what is read, written and freed lies beside it
constexpr int64_t kLeastForQuery = int64_t{64} << 20;  // of a small limit all
constexpr int64_t kBatchRows = 8192;                   // rows of some hundred bytes: larger batches leave the caches between two steps

}  // namespace

gristmill::ParallelOptions KeptSteps::options() const {
  gristmill::ParallelOptions out = given_;
  if (out.batch_rows == 0 && std::getenv("GRISTMILL_BATCH_ROWS") == nullptr) out.batch_rows = kBatchRows;  // a call overrides the setting
  if (given_.memory_limit == 0) return out;
  const int64_t share = std::max(given_.memory_limit / kQueryShare, std::min(given_.memory_limit, kLeastForQuery));
  out.memory_limit = std::max(share - held_, share / 2);
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
