// What is needed is found backwards from the wanted slots; a slot that is given needs nobody.

#include "flow/graph.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/status.h"
#include "flow/rate_limit.h"

namespace gristmill {
namespace flow {

std::string Node::why() const {
  if (fixed == Way::kAsync) return "async: a coroutine, on the event loop (" + stats.numbers() + ")";
  const std::string known = " (" + stats.numbers() + ")";
  if (rules.way == CallWay::kCompute && fixed == Way::kCompute) return "compute: as its rules say, on the engine's workers" + known;
  if (rules.way == CallWay::kBlocking) return "blocking: as its rules say, on a thread for each call that is open" + known;
  if (fixed == Way::kBlocking) return "blocking: a function with a time-out, rate or window has threads of its own" + known;
  switch (stats.way()) {
    case Way::kBlocking: return "blocking: a call mostly waits, on a thread for each call that is open" + known;
    case Way::kCompute: return "compute: a call computes, on the engine's workers" + known;
    default: return "not known yet: the first call shows";
  }
}

std::string Node::rules_text() const {
  std::string text;
  const auto part = [&text](const std::string& more) { text += (text.empty() ? "" : ", ") + more; };
  if (rules.retry) part("retry " + std::to_string(rules.retry->times));
  if (rules.timeout.count() > 0)
    part("time-out " + std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(rules.timeout).count()) + " ms");
  if (rules.rate) {
    const auto& rate = *rules.rate->state();
    std::string seconds = std::to_string(rate.seconds);
    seconds.erase(seconds.find_last_not_of('0') + 1);
    if (seconds.back() == '.') seconds.pop_back();
    part("rate " + std::to_string(rate.calls) + " in " + seconds + " s");
  }
  if (rules.window > 0) part("window " + std::to_string(rules.window) + " calls");
  if (rules.window_bytes > 0) part("window " + std::to_string(rules.window_bytes) + " bytes");
  return text;
}

bool Plan::computes() const {
  return std::all_of(steps.begin(), steps.end(), [](const Step& s) { return s.node->way() == Way::kCompute && !s.node->rules.retry; });
}

bool Plan::waits() const {
  return std::any_of(steps.begin(), steps.end(), [](const Step& s) { return s.node->way() == Way::kAsync; });
}

int64_t Plan::item_ns() const {
  int64_t sum = 0;
  for (const Step& s : steps) {
    const int64_t one = s.node->stats.wall_ns();
    if (one == 0) return 0;
    sum += one;
  }
  return sum;
}

}  // namespace flow

namespace detail {
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
  if (node.coroutine && r.way != CallWay::kAuto) return wrong("it is a coroutine, which has no way but the event loop; leave `way` out");
  if (r.way == CallWay::kCompute && (r.timeout.count() > 0 || r.rate || r.window > 0 || r.window_bytes > 0)) {
    return wrong("time-outs, rates and windows are for calls that wait, so not with CallWay::kCompute");
  }
  return arrow::Status::OK();
}

}  // namespace

int add_input(FlowGraph& graph, std::string name, Anything otherwise) {
  return graph.add(FlowGraph::Place{std::move(name), -1, std::move(otherwise)});
}
int add_node(FlowGraph& graph, FlowNode node) { return graph.add(std::move(node)); }

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
  auto node = std::make_shared<flow::Node>();
  static_cast<FlowNode&>(*node) = std::move(given);
  if (node->coroutine) {
    node->fixed = flow::Way::kAsync;
  } else if (node->rules.way == CallWay::kBlocking || node->ruled()) {
    node->fixed = flow::Way::kBlocking;
  } else if (node->rules.way == CallWay::kCompute) {
    node->fixed = flow::Way::kCompute;
  }
  nodes_.push_back(node);
  outs_.push_back(add(Place{node->name, static_cast<int>(nodes_.size()) - 1, nullptr}));
  return outs_.back();
}

arrow::Status FlowGraph::check(const Slot<void>& slot, const char* what) const {
  if (slot.flow == this && slot.index >= 0) return arrow::Status::OK();
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

arrow::Result<flow::Plan> FlowGraph::plan(std::vector<Anything> given, const std::vector<bool>& mapped,
                                          const std::vector<Slot<void>>& wanted) const {
  ARROW_RETURN_NOT_OK(error_);
  if (wanted.empty()) return base::plan_error("a flow is run for at least one slot");
  for (const auto& slot : wanted) ARROW_RETURN_NOT_OK(check(slot, "what is wanted"));
  std::vector<bool> known = mapped;
  for (size_t s = 0; s < places_.size(); ++s) {
    if (given[s]) known[s] = true;
  }
  const std::vector<bool> asked = needed(known, wanted);
  flow::Plan plan;
  std::vector<int> maker(places_.size(), -1);
  for (size_t s = 0; s < places_.size(); ++s) {
    if (!asked[s] || known[s] || places_[s].node >= 0) continue;
    if (!places_[s].otherwise)
      return base::plan_error("missing input \"" + places_[s].name + "\"", "give it by over(), with() or from(), or a default");
    given[s] = places_[s].otherwise;
  }
  for (size_t n = 0; n < nodes_.size(); ++n) {
    const auto out = static_cast<size_t>(outs_[n]);
    if (!asked[out] || known[out]) continue;
    const int index = static_cast<int>(plan.steps.size());
    flow::Step step{nodes_[n], nodes_[n]->inputs, outs_[n], 0, {}};
    std::set<int> before;
    for (const int slot : step.args) {
      if (maker[static_cast<size_t>(slot)] >= 0) before.insert(maker[static_cast<size_t>(slot)]);
    }
    step.needs = static_cast<int>(before.size());
    for (const int b : before) plan.steps[static_cast<size_t>(b)].feeds.push_back(index);
    if (before.empty()) plan.first.push_back(index);
    plan.waiting.push_back(step.needs);
    maker[out] = index;
    plan.steps.push_back(std::move(step));
  }
  plan.values = std::move(given);
  for (const auto& slot : wanted) plan.wanted.push_back(slot.index);
  return plan;
}

std::string FlowGraph::explain() const {
  std::string text;
  for (const auto& node : nodes_) {
    std::string names;
    for (const int slot : node->inputs) names += (names.empty() ? "" : ", ") + (slot < 0 ? "?" : places_[static_cast<size_t>(slot)].name);
    text += node->name + "(" + names + ")\n    " + node->why() + "\n";
    if (const std::string rules = node->rules_text(); !rules.empty()) text += "    " + rules + "\n";
  }
  return text;
}

}  // namespace detail
}  // namespace gristmill
