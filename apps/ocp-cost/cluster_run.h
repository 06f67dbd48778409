// One cluster's month from files to outputs: list, compute, write, with what happened in a report.
#pragma once

#include <functional>

#include <arrow/status.h>

#include "cost.h"
#include "log.h"
#include "report.h"
#include "settings.h"

namespace ocp {

struct RunContext {
  const Settings& settings;
  const Log& log;
  gristmill::Cancellation cancel;
};

// Fills `report` whether it succeeds or not. Tries again what a server's passing trouble ended without a trace.
arrow::Status run_cluster(const RunContext& context, const Job& job, ClusterReport& report);

}  // namespace ocp
