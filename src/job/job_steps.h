// The steps of a job made for one run, with the choice among its sinks as the last one.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "job/job_file.h"

namespace gristmill::job {

using Step = std::variant<std::unique_ptr<Transform>, std::unique_ptr<FrameStep>>;

std::string name_of(const Step& step);
arrow::Result<std::vector<Step>> make_steps(const Job& job);
// The columns that sinks see.
std::shared_ptr<arrow::Schema> without_route(const std::shared_ptr<arrow::Schema>& schema);

}  // namespace gristmill::job
