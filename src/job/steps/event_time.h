// The last of the row-wise steps of a job with a watermark: a row without a time is a bad row.
#pragma once

#include <memory>
#include <string>

#include "job/transform.h"

namespace gristmill::job {

std::unique_ptr<Transform> make_event_time_step(std::string column);

}  // namespace gristmill::job
