// Steps that are run once, and what their rows take of the run's memory.
//
// The limit is the run's, not each step's: a query gets a third of it, less what earlier steps keep in memory, which is a small part
// each. The rest is for what no account knows: what the allocator has not given back, libraries, files being read and written.
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
