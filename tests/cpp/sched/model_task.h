// The model's pipelines as tasks of a real Scheduler, and the comparison with the sequential model.
#pragma once

#include <atomic>
#include <string>

#include "sched/model_spec.h"
#include "sched/task.h"

namespace gristmill::sched::model {

// How often the mechanisms came into play, over all runs of the process.
struct Coverage {
  std::atomic<int64_t> steps{0}, spilled{0}, refused{0}, no_room{0}, window_full{0}, nothing_to_take{0}, steals{0}, late_sources{0},
      abandoned{0};
};
Coverage& coverage();

// Runs the query and tells what is wrong with what came out; empty: nothing. workers 0: the scheduler's choice.
std::string run_and_compare(const Spec& spec, Scheduler& scheduler, int workers);

}  // namespace gristmill::sched::model
