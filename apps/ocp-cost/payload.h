// The operator's payloads: archives (tar.gz) and CSV files, classified by their columns, made rows by the CSV rules.
//
// Text is kept on disk only while one kind of it is read; the rows are held by the engine from then on.
#pragma once

#include <arrow/status.h>

#include "report.h"
#include "settings.h"

namespace ocp {

// Adds the rows of all payloads (of any day) to `files`; the listing and the counts of rows go into `report`.
arrow::Status read_payloads(const Settings& settings, const Job& job, const gristmill::Cancellation& cancel, ClusterReport& report,
                            InputFiles (&files)[4]);

}  // namespace ocp
