// Running a job over a source that may never end: the same steps, policies, dead letters and accounting, as a stream with checkpoints.
//
//   source -> row-wise steps (job_stage.h) -> sql, dedupe -> row-wise steps -> ... -> sinks, epoch by epoch
//
// It ends when it is stopped, which keeps its state for the next run, or when its source ends after all.
#pragma once

#include "job/run_job.h"

namespace gristmill::job {

// `source`: of the job, endless().
arrow::Status run_stream_job(const Job& job, std::unique_ptr<Source> source, const RunOptions& options, JobReport& report);
// Columns and types through all steps, as check_job() tells them.
arrow::Status check_stream_steps(const Job& job, const Source& source, const plan::TableSourcePtr& table, CheckedJob& out);

}  // namespace gristmill::job
