// Runs of frames with a line on the terminal: rows, rate, and how long it will take where that is known.
//
// The line is on stderr, only when that is a terminal, and only once a run has lasted a moment. It is gone before anything else is written.
#pragma once

#include <functional>
#include <memory>

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include "cli/command.h"
#include "gristmill/frame.h"

namespace gristmill::cli {

arrow::Result<Table> run_with_progress(const Frame& frame, const Command& command);
arrow::Status run_with_progress(const Frame& frame, const Command& command,
                                const std::function<arrow::Status(std::shared_ptr<arrow::RecordBatch>)>& each);
// Any run of the frame: `run` gets it with its sources counted.
arrow::Status run_with_progress(const Frame& frame, const Command& command, const std::function<arrow::Status(const Frame&)>& run);

void hide_progress();  // until the next run; no-op when there is no line

// "1.2M rows  340k rows/s  45%  about 3 s left"; total < 0: not known.
std::string progress_text(double rows, double seconds, double done, double total);

}  // namespace gristmill::cli
