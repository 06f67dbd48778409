// One step of a job without the job around it: made from YAML, fed with the slices of a table by several threads, its rows and what it
// rejected given back as text.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "base/cancellation.h"
#include "job/transform.h"

namespace gristmill::job {

struct StepRun {
  int64_t batch_rows = 1000;
  int workers = 1;
  bool fail_fast = false;  // policy fail
  int64_t memory = 0;
  base::CancelToken cancel;
};

struct StepResult {
  std::vector<std::string> rows;            // JSON, in order of the input
  std::map<int64_t, std::string> rejected;  // by row of the input: the error, its column and value
  std::map<std::string, int64_t> counts;
  std::shared_ptr<arrow::Schema> schema;
  int64_t peak_bytes = 0;
};

// `yaml`: one entry of `transforms`. An error that ends the run, or the result.
arrow::Result<StepResult> run_step(const TransformKind& kind, const std::string& yaml, const std::shared_ptr<arrow::Table>& input,
                                   const StepRun& run = {});

// A table from JSON rows: {"id": 1, "name": "x"}.
std::shared_ptr<arrow::Table> table_of(const std::string& schema, const std::vector<std::string>& rows);

}  // namespace gristmill::job
