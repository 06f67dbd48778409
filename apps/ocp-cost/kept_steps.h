// Steps that are run once, and what their rows take of the run's memory.
//
// Under a limit the rows of a step that stay in memory are a small part of it, and what they take is not there for later steps: the limit
// is the run's, not each step's.
#pragma once

#include <cstdint>
#include <vector>

#include <arrow/result.h>

#include "gristmill/hold.h"

namespace ocp {

class KeptSteps {
 public:
  explicit KeptSteps(gristmill::ParallelOptions options, gristmill::Cancellation cancel = {})
      : given_(std::move(options)), cancel_(std::move(cancel)) {}

  struct Kept {
    std::vector<gristmill::Frame> frames;
    int64_t rows = 0, spilled_bytes = 0;
  };
  // Rows come in any order, as the summary sorts them by all that tells them apart.
  arrow::Result<Kept> run(const std::vector<gristmill::Frame>& rows);

  // For a query over the kept rows.
  gristmill::ParallelOptions options() const;

 private:
  const gristmill::ParallelOptions given_;
  const gristmill::Cancellation cancel_;
  int64_t held_ = 0;
};

}  // namespace ocp
