// A job tried on small files beside it: what comes in and what must come out.
//
// For orders.yaml the cases lie in the folder orders.tests: NAME.input.csv goes in (any format the command reads) and must give
// NAME.expected.ndjson, of several sinks NAME.expected.SINK.ndjson, and, where the file is there, reject NAME.rejected.ndjson. The job runs
// with its own steps, policy and source options; its paths are not touched.
#pragma once

#include <string>
#include <vector>

#include <arrow/result.h>

#include "job/job_file.h"

namespace gristmill::job {

struct TestCase {
  std::string name;
  bool passed = false;
  std::string what;  // that is wrong: an error, or the first line that differs
};

// An error when there is nothing to run; a failing case is none.
arrow::Result<std::vector<TestCase>> test_job(const std::string& job_file);

}  // namespace gristmill::job
