// The row-wise steps of a job inside a stream: the same chain, policies, counting and dead letters as in a job that ends.
//
// Workers take their batches through the chain, many at once; what came of it is booked in the order of the rows, rejected records are
// written in that order, and how far event time has come is told to the steps behind. Part of a checkpoint is the size of the file of
// rejected records, so none of them stands there twice or not at all after a restart.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "job/chain.h"
#include "job/job_source.h"
#include "job/letters_log.h"
#include "stream/steps.h"
#include "stream/window_spec.h"

namespace gristmill::job {

// Outlives the run; shared by who makes the stage and who looks at it.
struct JobStageState {
  std::shared_ptr<RunState> run;  // policy, accounting, live numbers
  std::shared_ptr<Chain> chain;   // bound, not open
  size_t first_step = 0;          // of the chain, in the accounting
  std::vector<std::shared_ptr<NamedCounts>> counts;
  bool of_source = false;                 // its rows are the source's: it counts them, and writes rejected records
  std::string source_file;                // "topic orders, partition ": what a rejected record's place begins with
  std::shared_ptr<LettersLog> letters;    // null: nobody wants them
  std::optional<stream::EventTime> time;  // of the rows that leave; none: event time ends here

  std::atomic<int64_t> watermark{stream::kNoTime};  // microseconds since 1970, or the numbers themselves
  bool moments = true;                              // the watermark is a moment
  std::atomic<int64_t> rows_in{0};
};

// `rows` through the chain.
arrow::Result<Stream> through_job_stage(const Stream& rows, std::shared_ptr<JobStageState> state);

}  // namespace gristmill::job
