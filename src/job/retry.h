// Feeding rejected records back into their job.
//
// The dead-letter file is claimed first (renamed to FILE.retrying), so that nothing is fed twice: a retry that was killed leaves the claim,
// and says so when it is tried again. Sinks add to what is there. When it is over FILE holds what was rejected again, or is gone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "job/run_job.h"

namespace gristmill::job {

struct RetryOptions {
  std::string job_file;  // empty: the one that the records name
  RunOptions run;
};

struct RetryReport {
  std::vector<JobReport> runs;  // one for each kind of record: those with fields, those as text, those of a sink
  int64_t fed = 0;              // records
  int64_t left = 0;             // in the file afterwards
};

arrow::Status retry_job(const std::string& rejected, const RetryOptions& options, RetryReport& report);

}  // namespace gristmill::job
