// Running a job: its source through its steps into its sinks, every row accounted for.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "base/cancellation.h"
#include "gristmill/options.h"
#include "job/accounting.h"
#include "job/job_file.h"
#include "job/job_status.h"

namespace gristmill::job {

struct Rejection;

struct RunOptions {
  base::CancelToken stop;       // cancelled: what was accepted is finished and written, the rest is not read
  Cancellation cancel;          // ends at once; nothing is written
  JobStatus* status = nullptr;  // null: nobody looks
  // Records of a dead-letter file that are fed back: sinks add to what is there.
  bool add_to_existing = false;
  // Changes what is told of a record of the source that is rejected: where a record that was fed back stood at first. On any worker.
  std::function<void(Rejection&)> retell;
};

// What is known of a run, also of one that failed.
struct JobReport {
  std::string name;
  std::string outcome;  // done, stopped, failed
  std::string error;
  double seconds = 0;
  std::vector<StepTotals> steps;
  std::vector<std::string> outputs;  // as the sinks call themselves
  int64_t peak_bytes = 0;
  int64_t batch_rows = 0;   // that the tuning came to; 0: batches were as the source cut them, or as the job says
  double record_bytes = 0;  // that a record takes in memory behind the source, on average; 0: there was none
  int64_t spilled_bytes = 0;
  // Times that a worker without work took some of another's, in stages over rows that were held; morsels of a source are dealt one by one.
  int64_t steals = 0;
  int workers = 0;
  std::string dead_letters;  // the file, when the policy writes one

  int64_t bad_rows() const;                                 // rejected or skipped
  std::string text() const;                                 // the accounting as a table for people
  std::string json(const std::string& metrics = {}) const;  // `metrics`: a JSON object that stands under that name
};

arrow::Status run_job(const Job& job, const RunOptions& options, JobReport& report);

// What can be known before a run: columns and types through all steps. Opens the source (a header, a sample), nothing else.
struct CheckedJob {
  std::vector<std::pair<std::string, std::shared_ptr<arrow::Schema>>> steps;  // what leaves the source and each step
};
arrow::Result<CheckedJob> check_job(const Job& job);

}  // namespace gristmill::job
