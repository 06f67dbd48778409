// Rows posted to a service in batches.
#pragma once

#include "job/sink.h"

namespace gristmill::job {

SinkKind http_sink_kind();

}  // namespace gristmill::job
