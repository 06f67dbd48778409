// Functions of a program as steps: row by row, or batch by batch.
//
// Rows that a function refuses are found exactly: it says which, or, when a call fails without saying, the batch is halved until single
// rows are left.
#pragma once

#include <memory>
#include <string>

#include "gristmill/job.h"
#include "job/transform.h"

namespace gristmill::job {

std::unique_ptr<Transform> make_record_step(std::string name, RecordFunction function, ColumnTypes writes);
std::unique_ptr<Transform> make_batch_step(std::string name, BatchFunction function, ColumnTypes gives);

}  // namespace gristmill::job
