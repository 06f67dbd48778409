// Fills what the scheduler knows of a run into the statistics and asks the tasks for the rest.
#pragma once

#include <chrono>
#include <vector>

#include "sched/query_run.h"
#include "sched/task.h"

namespace gristmill::sched {

// After the run, while nobody is in it. `busy` has an entry per worker.
void fill_statistics(const Query& query, const QueryRun& run, const base::Topology& topology,
                     const std::vector<std::chrono::nanoseconds>& busy, std::chrono::nanoseconds wall, Statistics* out);

}  // namespace gristmill::sched
