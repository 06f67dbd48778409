// The model's pipelines as tasks of a real Scheduler, and the comparison with the sequential model.
#pragma once

#include <string>

#include "sched/model_spec.h"
#include "sched/task.h"

namespace gristmill::sched::model {

// Runs the query and tells what is wrong with what came out; empty: nothing. workers 0: the scheduler's choice.
std::string run_and_compare(const Spec& spec, Scheduler& scheduler, int workers);

}  // namespace gristmill::sched::model
