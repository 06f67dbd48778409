// The functions of a flow with the slots they join, and the plan of a run: the steps that the wanted slots need, in the order of the graph.
//
// A slot exists before whoever takes it, so the order in which functions were added is an order of the graph, and there are no cycles.
// A graph keeps its first mistake and tells it when it is to be run. It grows while it is built and only its statistics change after that.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <arrow/result.h>

#include "flow/call_stats.h"
#include "gristmill/flow.h"

namespace gristmill::flow {

using detail::Anything;

struct Node : detail::FlowNode {
  mutable CallStats stats;
  // The way of its calls if nothing has to be measured for it.
  Way fixed = Way::kUnknown;
  Way way() const { return fixed != Way::kUnknown ? fixed : stats.way(); }
  bool ruled() const { return rules.timeout.count() > 0 || rules.rate || rules.window > 0 || rules.window_bytes > 0; }
  std::string why() const;  // the way and the reason
  std::string rules_text() const;
};
using NodePtr = std::shared_ptr<const Node>;

struct Step {
  NodePtr node;
  std::vector<int> args;   // slots
  int out = 0;             // slot
  int needs = 0;           // steps it waits for
  std::vector<int> feeds;  // steps that wait for it
};

struct Plan {
  std::vector<Step> steps;
  std::vector<Anything> values;  // one a slot: what is the same for all items
  std::vector<int> waiting;      // needs of each step
  std::vector<int> first;        // steps that wait for none
  std::vector<int> wanted;       // slots
  bool computes() const;         // every step is known to compute
  bool waits() const;            // some step is a coroutine
  int64_t item_ns() const;       // what an item was measured to take; 0: not known
};

}  // namespace gristmill::flow

namespace gristmill::detail {

class FlowGraph {
 public:
  struct Place {
    std::string name;
    int node = -1;       // who gives it; -1: an input
    Anything otherwise;  // of an input that need not be given
  };
  int add(Place place);
  int add(FlowNode node);
  // The plan for these inputs (`given` by slot; the mapped ones hold anything) or what is wrong with it.
  arrow::Result<flow::Plan> plan(std::vector<Anything> given, const std::vector<bool>& mapped, const std::vector<Slot<void>>& wanted) const;
  arrow::Status check(const Slot<void>& slot, const char* what) const;
  const std::vector<Place>& places() const { return places_; }
  std::string explain() const;

 private:
  void mistake(const arrow::Status& status) {
    if (error_.ok()) error_ = status;
  }
  std::vector<bool> needed(const std::vector<bool>& known, const std::vector<Slot<void>>& wanted) const;

  std::vector<Place> places_;
  std::vector<flow::NodePtr> nodes_;
  std::vector<int> outs_;  // slot of each node
  arrow::Status error_;
};

}  // namespace gristmill::detail
