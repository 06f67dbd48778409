// The operator's payload: a .tar.gz of a manifest and its CSV files.
#pragma once

#include <string>

#include <arrow/status.h>

#include "month.h"

namespace ocp {

// Packs the files of `folder` with a manifest that names them into `archive` and removes the folder. Same files, same bytes.
arrow::Status pack_payload(const std::string& folder, const Month& month, const std::string& archive);

}  // namespace ocp
