// A folder that holds one small run: job.json, input files, the three reference tables as CSV.
#pragma once

#include <string>

#include <arrow/result.h>

#include "reference.h"

namespace ocp {

struct CaseFolder {
  Month month;
  InputFiles files[4];
  Reference reference;
};

// A kind's rows are pod.parquet or the Parquet files in the folder pod (pod_daily, storage, ...); neither is no rows of that kind. A missing
// table or job.json is an error.
arrow::Result<CaseFolder> open_case(const std::string& folder);

}  // namespace ocp
