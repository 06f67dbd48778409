// A job's live numbers for Prometheus: what /metrics serves. docs/jobs-live.md lists the families.
#pragma once

#include <string>

#include "job/live/sampler.h"

namespace gristmill::job {

std::string prometheus_text(const Sample& sample);

}  // namespace gristmill::job
