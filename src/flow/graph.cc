// What is needed is found backwards from the wanted slots; a slot that is given needs nobody.

#include "flow/graph.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "flow/rate_limit.h"

namespace gristmill::detail {
namespace {

arrow::Status check_rules(const FlowNode& node) {
  const CallRules& r = node.rules;
  const auto wrong = [&](const std::string& what) { return base::plan_error("function \"" + node.name + "\" of a flow: " + what); };
  if (r.retry && (r.retry->times < 0 || !(r.retry->first >= 0) || !(r.retry->factor >= 1) || !(r.retry->most >= 0) ||
                  !(r.retry->jitter >= 0 && r.retry->jitter <= 1))) {
    return wrong("a Retry needs times >= 0, first >= 0, factor >= 1, most >= 0 and jitter from 0 to 1");
  }
  if (r.rate && !r.rate->state()->valid()) return wrong("a RateLimit needs calls > 0, seconds > 0 and a burst from 1 to calls");
  if (r.timeout.count() < 0 || r.window < 0 || r.window_bytes < 0) return wrong("a time-out and a window must not be negative");
  if (node.batch < 0) return wrong("many items at once are at least one");
  if (r.cache && (node.explodes || node.batch > 0)) return wrong("a cache is for functions of one item that give one value");
  if (r.cache && !node.packing)
    return wrong(
        "it cannot have a cache, since its arguments or its values cannot be packed; write flow_pack() and flow_unpack() beside their "
        "type");
  if (node.coroutine && r.way != CallWay::kAuto) return wrong("it is a coroutine, which has no way but the event loop; leave `way` out");
  if (r.way == CallWay::kCompute && (r.timeout.count() > 0 || r.rate || r.window > 0 || r.window_bytes > 0)) {
    return wrong("time-outs, rates and windows are for calls that wait, so not with CallWay::kCompute");
  }
  return arrow::Status::OK();
}

std::string missed_by(const std::string& functions) { return functions.empty() ? "" : " (for " + functions + ")"; }

flow::Way way_of(const flow::Node& node) {
  if (node.nested || node.rules.way == CallWay::kCompute) return flow::Way::kCompute;
  if (node.coroutine) return flow::Way::kAsync;
  return node.rules.way == CallWay::kBlocking || node.ruled() ? flow::Way::kBlocking : flow::Way::kUnknown;
}

flow::NodePtr kept_node(FlowNode given) {
  auto node = std::make_shared<flow::Node>();
  static_cast<FlowNode&>(*node) = std::move(given);
  node->fixed = way_of(*node);
  if (node->one) {
    FlowNode one = *node->one;
    one.name = node->name;
    node->single = kept_node(std::move(one));
  }
  return node;
}

}  // namespace

int add_input(FlowGraph& graph, std::string name, Anything otherwise) {
  return graph.add(FlowGraph::Place{std::move(name), -1, std::move(otherwise)});
}
int add_node(FlowGraph& graph, FlowNode node) { return graph.add(std::move(node)); }
void bind_slot(FlowGraph& graph, const Slot<void>& slot, Anything value) { graph.bind(slot, std::move(value)); }

int FlowGraph::add(Place place) {
  if (place.name.empty()) mistake(base::plan_error("an input or function of a flow needs a name"));
  for (const Place& other : places_) {
    if (other.name == place.name)
      mistake(base::plan_error("two of a flow's inputs and functions are called \"" + place.name + "\"", "give one another name"));
  }
  places_.push_back(std::move(place));
  return static_cast<int>(places_.size()) - 1;
}

int FlowGraph::add(FlowNode given) {
  for (const int slot : given.inputs) {
    if (slot < 0)
      mistake(base::plan_error("function \"" + given.name + "\" takes a slot of another flow",
                               "make the slot by input() or add() of this flow"));
  }
  mistake(check_rules(given));
  nodes_.push_back(kept_node(std::move(given)));
  outs_.push_back(add(Place{nodes_.back()->name, static_cast<int>(nodes_.size()) - 1, nullptr}));
  return outs_.back();
}

void FlowGraph::bind(const Slot<void>& slot, Anything value) {
  if (const arrow::Status status = check(slot, "what is bound"); !status.ok()) {
    mistake(status);
  } else {
    places_[static_cast<size_t>(slot.index)].otherwise = std::move(value);
  }
}

std::string FlowGraph::takers_of(size_t place, const std::vector<bool>& asked, const std::string& prefix) const {
  std::string names;
  for (size_t n = 0; n < nodes_.size(); ++n) {
    const auto& takes = nodes_[n]->inputs;
    if (!asked[static_cast<size_t>(outs_[n])] || std::find(takes.begin(), takes.end(), static_cast<int>(place)) == takes.end()) continue;
    names += (names.empty() ? "" : ", ") + ("\"" + prefix + nodes_[n]->name + "\"");
  }
  return names;
}

arrow::Status FlowGraph::check(const Slot<void>& slot, const char* what) const {
  if (slot.flow == identity_ && slot.index >= 0) return arrow::Status::OK();
  return base::plan_error(std::string(what) + " is a slot of another flow, or of none",
                          "use the slots that input() and add() of this flow gave");
}

std::vector<bool> FlowGraph::needed(const std::vector<bool>& known, const std::vector<Slot<void>>& wanted) const {
  std::vector<bool> asked(places_.size(), false);
  for (const auto& slot : wanted) asked[static_cast<size_t>(slot.index)] = true;
  for (size_t n = nodes_.size(); n-- > 0;) {
    const auto out = static_cast<size_t>(outs_[n]);
    if (!asked[out] || known[out]) continue;
    for (const int slot : nodes_[n]->inputs) asked[static_cast<size_t>(slot)] = true;
  }
  return asked;
}

arrow::Result<flow::Step> FlowGraph::step_of(size_t n, const std::string& prefix, bool for_one) const {
  const flow::NodePtr& node = for_one && nodes_[n]->single ? nodes_[n]->single : nodes_[n];
  flow::Step step{.node = node, .prefix = prefix, .args = nodes_[n]->inputs, .out = outs_[n]};
  if (step.node->nested) {
    ARROW_ASSIGN_OR_RAISE(flow::Plan inner, step.node->nested->plan(step.name() + "."));
    step.inner = std::make_shared<flow::Plan>(std::move(inner));
  }
  return step;
}

arrow::Result<flow::Plan> FlowGraph::plan(std::vector<Anything> given, const std::vector<bool>& mapped,
                                          const std::vector<Slot<void>>& wanted, const std::string& prefix, bool for_one) const {
  ARROW_RETURN_NOT_OK(error_);
  if (wanted.empty()) return base::plan_error("a flow is run for at least one slot");
  for (const auto& slot : wanted) ARROW_RETURN_NOT_OK(check(slot, "what is wanted"));
  std::vector<bool> known = mapped;
  for (size_t s = 0; s < places_.size(); ++s) {
    if (!known[s] && places_[s].node >= 0 && !given[s]) given[s] = places_[s].otherwise;
    if (given[s]) known[s] = true;
  }
  const std::vector<bool> asked = needed(known, wanted);
  for (size_t s = 0; s < places_.size(); ++s) {
    if (!asked[s] || known[s] || places_[s].node >= 0) continue;
    if (!places_[s].otherwise)
      return base::plan_error("missing input \"" + prefix + places_[s].name + "\"" + missed_by(takers_of(s, asked, prefix)),
                              "give it by over(), with() or from(), or a default");
    given[s] = places_[s].otherwise;
  }
  std::vector<flow::Step> steps;
  for (size_t n = 0; n < nodes_.size(); ++n) {
    const auto out = static_cast<size_t>(outs_[n]);
    if (!asked[out] || known[out]) continue;
    ARROW_ASSIGN_OR_RAISE(flow::Step step, step_of(n, prefix, for_one));
    steps.push_back(std::move(step));
  }
  std::vector<int> slots;
  for (const auto& slot : wanted) slots.push_back(slot.index);
  return flow::Plan(std::move(steps), std::move(given), std::move(slots));
}

std::string FlowGraph::explain(const std::string& prefix) const {
  std::string text;
  for (const auto& node : nodes_) {
    std::string names;
    for (const int slot : node->inputs) names += (names.empty() ? "" : ", ") + (slot < 0 ? "?" : places_[static_cast<size_t>(slot)].name);
    text += prefix + node->name + "(" + names + ")\n    ";
    if (node->nested) {
      text += "a flow, for each of its items\n" + node->nested->graph->explain(prefix + node->name + ".");
      continue;
    }
    text += node->why() + "\n";
    if (node->single) text += "    one item: " + node->single->why() + "\n";
    if (const std::string rules = node->rules_text(); !rules.empty()) text += "    " + rules + "\n";
  }
  return text;
}

}  // namespace gristmill::detail
