// The sinks of a job over a source that may not end, as one sink of epochs: rows go to the sink that the last column says, and are counted.
//
// Several sinks commit one after the other, first those whose flushed rows do not outlive the process (a table, a topic), of which there
// may be one, then files, whose flushed epochs can be finished any time later. So after a crash all of them can be brought to one epoch.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "job/job_source.h"
#include "stream/epoch_sink.h"

namespace gristmill::job {

struct EpochPart {
  stream::EpochSinkPtr sink;
  size_t step = 0;  // in the accounting
};

// `routed`: the rows' last column is the number of their part. A plan error for sinks that cannot be brought to one epoch.
arrow::Result<stream::EpochSinkPtr> job_epochs(std::shared_ptr<RunState> run, std::vector<EpochPart> parts, bool routed);

}  // namespace gristmill::job
