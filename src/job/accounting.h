// Every row of a run, step by step: what came, what left, and what became of the difference.
//
//   in + generated = out + filtered + rejected + skipped + merged        for each step
//   in of a step   = out of the one before it                            (sinks that share the rows: their sum)
//
// Workers add once a morsel; balance() is asked before the sinks make their rows visible, and a run that does not balance fails.
// Thread safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <arrow/status.h>

#include "job/job_status.h"
#include "job/transform.h"

namespace gristmill::job {

struct StepTotals {
  std::string name;
  StepKind kind = StepKind::kTransform;
  StepCounts counts;
  std::map<std::string, int64_t> more = {};  // what the step counts besides rows
};

class Accounting {
 public:
  // Steps in order: the source, transforms, then sinks. Once, before the first add().
  void lay_out(std::vector<StepTotals> steps);
  void add(size_t step, const StepCounts& more);
  void add(const std::vector<StepCounts>& from_first);  // of the first steps, in order
  std::vector<StepTotals> steps() const;
  // OK, or an internal error that names the first step that does not add up.
  arrow::Status balance() const;

 private:
  mutable std::mutex mutex_;
  std::vector<StepTotals> steps_;
};

arrow::Status balance_of(const std::vector<StepTotals>& steps);

}  // namespace gristmill::job
