// A folder that holds one small run: job.json, input files, the three reference tables as CSV.
#pragma once

#include <string>

#include <arrow/result.h>

#include "cost.h"

namespace ocp {

struct CaseFolder {
  Month month;
  InputFiles files[4];
  Reference reference;
};

// A kind's rows are pod.parquet or the Parquet files in the folder pod (pod_daily, storage, ...); neither is no rows of that kind. A missing
// table or job.json is an error.
arrow::Result<CaseFolder> open_case(const std::string& folder);

// keys: key, enabled, provider_type; categories: namespace, cost_category_id; nodes: node, resource_id, node_role. `\N` is NULL.
arrow::Result<Reference> read_reference(const std::string& keys, const std::string& categories, const std::string& nodes);

}  // namespace ocp
