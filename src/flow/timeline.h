// The spans of a FlowTimeline while they come.
#pragma once

#include <mutex>
#include <vector>

#include "flow/node.h"
#include "gristmill/flow_timeline.h"

namespace gristmill {

struct FlowTimeline::State {
  State();
  // A call that began then (flow::wall_ns()) ends now, on this thread.
  void add(std::string node, const FlowCall& call, flow::Way way, int64_t began);

  const int64_t made;
  mutable std::mutex mutex;
  std::vector<Span> spans;
};

}  // namespace gristmill
