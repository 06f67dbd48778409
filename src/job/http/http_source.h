// The rows that a service gives page by page.
#pragma once

#include "job/source.h"

namespace gristmill::job {

SourceKind http_source_kind();

}  // namespace gristmill::job
