// The functions of a flow with the slots they join, and the making of plans.
//
// A slot exists before whoever takes it, so the order in which functions were added is an order of the graph, and there are no cycles.
// A graph keeps its first mistake and tells it when it is to be run. It grows while it is built and only its statistics change after that.
// A flow that another uses is copied as it is then, so none is ever inside itself.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arrow/result.h>

#include "flow/plan.h"

namespace gristmill::detail {

class FlowGraph {
 public:
  struct Place {
    std::string name;
    int node = -1;       // who gives it; -1: an input
    Anything otherwise;  // its value where it is not given: a default, or what it is bound to
  };
  int add(Place place);
  int add(FlowNode node);
  std::vector<int> add_flow(const std::string& name, const FlowGraph& inner, const std::vector<Slot<void>>& wanted,
                            const std::vector<FlowLink>& links);
  int add_map(std::string name, FlowNested nested);
  void bind(const Slot<void>& slot, Anything value);
  // The plan for these inputs (`given` by slot; the mapped ones hold anything) or what is wrong with it. `for_one`: functions with two
  // forms take the one for a single item.
  arrow::Result<flow::Plan> plan(std::vector<Anything> given, const std::vector<bool>& mapped, const std::vector<Slot<void>>& wanted,
                                 const std::string& prefix = {}, bool for_one = false) const;
  arrow::Status check(const Slot<void>& slot, const char* what) const;
  const std::vector<Place>& places() const { return places_; }
  std::string explain(const std::string& prefix = {}) const;
  std::string to_svg() const;  // drawing.cc

 private:
  void mistake(const arrow::Status& status) {
    if (error_.ok()) error_ = status;
  }
  std::vector<bool> needed(const std::vector<bool>& known, const std::vector<Slot<void>>& wanted) const;
  // The functions among those that take it.
  std::string takers_of(size_t place, const std::vector<bool>& asked, const std::string& prefix) const;
  arrow::Result<flow::Step> step_of(size_t node, const std::string& prefix, bool for_one) const;
  arrow::Status check_links(const std::string& name, const FlowGraph& inner, const std::vector<Slot<void>>& wanted,
                            const std::vector<FlowLink>& links, bool mapped) const;

  const void* identity_ = this;  // of copies too: slots know the flow they were made by
  std::vector<Place> places_;
  std::vector<flow::NodePtr> nodes_;
  std::vector<int> outs_;  // slot of each node
  arrow::Status error_;
};

// A flow that is mapped inside another: its graph as it was then.
struct FlowNested {
  std::shared_ptr<const FlowGraph> graph;
  std::vector<Slot<void>> wanted;
  std::vector<FlowLink> links;
  bool product = false;
  std::function<Anything(std::vector<FlowValues>)> gather;

  arrow::Result<flow::Plan> plan(const std::string& prefix) const;
  // What its items are given; `outer`: the values of the links that have a slot outside, in order.
  FlowGiven given(const FlowValues& outer) const;
};

}  // namespace gristmill::detail
