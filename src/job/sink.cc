#include "job/sink.h"

#include "base/status.h"

namespace gristmill::job {

arrow::Result<stream::EpochSinkPtr> Sink::open_epochs() {
  return base::plan_error("the sink \"" + name() + "\" cannot take the rows of a source that may not end",
                          "kafka, postgres, folders of files and stdout can");
}

}  // namespace gristmill::job
