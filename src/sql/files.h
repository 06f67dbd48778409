// Names of tables that are files.
#pragma once

#include <string>
#include <vector>

#include "plan/logical.h"

namespace gristmill::sqltext {

// "csv", "parquet", "ipc", "ndjson" by the name's ending; empty when it tells nothing.
std::string format_of(const std::string& name);
// The file or files as a table; `known`: names that could have been meant.
arrow::Result<plan::PlanPtr> scan_file(const std::string& name, const std::vector<std::string>& known);
// The files of a folder, read by what the first of them is; null when `name` is no folder.
arrow::Result<plan::PlanPtr> scan_folder(const std::string& name);

}  // namespace gristmill::sqltext
