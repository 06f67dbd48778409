// A function of a flow, with what its calls were measured to cost.
#pragma once

#include <memory>
#include <string>

#include "flow/call_stats.h"
#include "gristmill/flow.h"

namespace gristmill::flow {

using detail::Anything;

struct Node : detail::FlowNode {
  mutable CallStats stats;
  // The way of its calls if nothing has to be measured for it.
  Way fixed = Way::kUnknown;
  std::shared_ptr<const Node> single = nullptr;  // the form for one item, if there are two
  Way way() const { return fixed != Way::kUnknown ? fixed : stats.way(); }
  bool ruled() const { return rules.timeout.count() > 0 || rules.rate || rules.window > 0 || rules.window_bytes > 0; }
  std::string why() const;  // the way and the reason
  std::string rules_text() const;
};
using NodePtr = std::shared_ptr<const Node>;

// A call on this thread, counted, and measured where its numbers are wanted.
template <typename Call>
arrow::Result<Anything> measured(const Node& node, Call call) {
  const bool due = node.stats.due();
  node.stats.count(1);
  if (!due) return call();
  const CallClock clock(false);
  arrow::Result<Anything> value = call();
  clock.record(node.stats);
  return value;
}

}  // namespace gristmill::flow
