// enrich: a call to a service for each row, its answer as a column.
#pragma once

#include "job/transform.h"

namespace gristmill::job {

TransformKind enrich_kind();

}  // namespace gristmill::job
