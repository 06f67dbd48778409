// One step of a job that needs more rows than one: SQL over all of them, duplicates. It is a part of an engine's plan.
//
// What such a step meets is no single row's fault any more, so errors in it and behind it end the run whatever the policy.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "gristmill/frame.h"
#include "gristmill/stream.h"
#include "job/settings.h"

namespace gristmill::job {

class FrameStep {
 public:
  virtual ~FrameStep() = default;
  virtual std::string name() const = 0;
  // True: each of its rows is one that came; the others were filtered.
  virtual bool chooses() const { return false; }
  // Names and types are checked here; nothing runs.
  virtual arrow::Result<Frame> apply(const Frame& rows) = 0;
  // The same over a stream that may not end.
  virtual arrow::Result<Stream> apply_to_stream(const Stream& rows) = 0;
};

struct FrameStepKind {
  Key key;
  std::string example;
  arrow::Result<std::unique_ptr<FrameStep>> (*make)(const Settings& settings);
};

const std::vector<FrameStepKind>& frame_step_kinds();

}  // namespace gristmill::job
