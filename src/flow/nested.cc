// Flows inside flows: laid among the functions of the other, or kept as a graph that is run for each of many values.

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "flow/graph.h"

namespace gristmill::detail {

std::vector<int> add_flow(FlowGraph& graph, const std::string& name, const FlowGraph& inner, const std::vector<Slot<void>>& wanted,
                          const std::vector<FlowLink>& links) {
  return graph.add_flow(name, inner, wanted, links);
}

int add_map(FlowGraph& graph, std::string name, const FlowGraph& inner, std::vector<Slot<void>> wanted, std::vector<FlowLink> links,
            bool product, std::function<Anything(std::vector<FlowValues>)> gather) {
  return graph.add_map(std::move(name),
                       {std::make_shared<const FlowGraph>(inner), std::move(wanted), std::move(links), product, std::move(gather)});
}

arrow::Status FlowGraph::check_links(const std::string& name, const FlowGraph& inner, const std::vector<Slot<void>>& wanted,
                                     const std::vector<FlowLink>& links, bool mapped) const {
  ARROW_RETURN_NOT_OK(inner.error_);
  for (const auto& slot : wanted) ARROW_RETURN_NOT_OK(inner.check(slot, "what is wanted of a flow inside another"));
  std::vector<bool> linked(inner.places_.size(), false);
  bool over = false;
  for (const FlowLink& link : links) {
    ARROW_RETURN_NOT_OK(inner.check(link.inner, "what a flow inside another is given"));
    const auto at = static_cast<size_t>(link.inner.index);
    if (linked[at]) return base::plan_error("\"" + name + "." + inner.places_[at].name + "\" is given twice");
    linked[at] = true;
    over = over || link.column;
    if (link.outer.index < 0 && !link.constant)
      return base::plan_error("\"" + name + "." + inner.places_[at].name + "\" is given a slot of another flow",
                              "FlowLinks take the slot of the flow inside first, then the slot of the flow it is added to");
  }
  if (mapped && !over) return base::plan_error("flow \"" + name + "\" is mapped over nothing", "say over(), or use add_flow()");
  if (!mapped && over) return base::plan_error("flow \"" + name + "\" is used once an item, and given many values", "use add_map()");
  return arrow::Status::OK();
}

std::vector<int> FlowGraph::add_flow(const std::string& name, const FlowGraph& inner, const std::vector<Slot<void>>& wanted,
                                     const std::vector<FlowLink>& links) {
  std::vector<int> found(wanted.size(), -1);
  if (const arrow::Status status = check_links(name, inner, wanted, links, false); !status.ok()) {
    mistake(status);
    return found;
  }
  const auto named = [&](size_t place) { return name + "." + inner.places_[place].name; };
  std::vector<int> here(inner.places_.size(), -1);
  std::vector<bool> known(inner.places_.size(), false);
  for (const FlowLink& link : links) {
    const auto at = static_cast<size_t>(link.inner.index);
    known[at] = true;
    here[at] = link.constant ? add(Place{named(at), -1, link.constant}) : link.outer.index;
  }
  for (size_t s = 0; s < here.size(); ++s) {
    if (!known[s]) known[s] = inner.places_[s].node >= 0 && inner.places_[s].otherwise;  // a function that is bound to a value
  }
  const std::vector<bool> asked = inner.needed(known, wanted);
  for (size_t s = 0; s < here.size(); ++s) {
    if (!asked[s] || here[s] >= 0 || (inner.places_[s].node >= 0 && !known[s])) continue;
    if (!inner.places_[s].otherwise)
      mistake(base::plan_error("missing input \"" + named(s) + "\" (for " + inner.takers_of(s, asked, name + ".") + ")",
                               "give it in the FlowLinks, or a default"));
    here[s] = add(Place{named(s), -1, inner.places_[s].otherwise});
  }
  for (size_t n = 0; n < inner.nodes_.size(); ++n) {
    const auto out = static_cast<size_t>(inner.outs_[n]);
    if (!asked[out] || known[out]) continue;
    FlowNode node = *inner.nodes_[n];
    node.name = named(out);
    for (int& slot : node.inputs) slot = here[static_cast<size_t>(slot)];
    here[out] = add(std::move(node));
  }
  std::transform(wanted.begin(), wanted.end(), found.begin(), [&](const auto& slot) { return here[static_cast<size_t>(slot.index)]; });
  return found;
}

int FlowGraph::add_map(std::string name, FlowNested nested) {
  mistake(check_links(name, *nested.graph, nested.wanted, nested.links, true));
  FlowNode node{.name = std::move(name)};
  for (const FlowLink& link : nested.links) {
    if (!link.constant) node.inputs.push_back(link.outer.index);
  }
  node.nested = std::make_shared<const FlowNested>(std::move(nested));
  return add(std::move(node));
}

arrow::Result<flow::Plan> FlowNested::plan(const std::string& prefix) const {
  std::vector<Anything> fixed(graph->places().size());
  std::vector<bool> mapped(graph->places().size(), false);
  for (const FlowLink& link : links) {
    const auto at = static_cast<size_t>(link.inner.index);
    fixed[at] = link.constant;
    mapped[at] = !link.constant;
  }
  return graph->plan(std::move(fixed), mapped, wanted, prefix);
}

FlowGiven FlowNested::given(const FlowValues& outer) const {
  FlowGiven out;
  out.product = product;
  size_t at = 0;
  for (const FlowLink& link : links) {
    if (link.constant) continue;
    const Anything& value = outer[at++];
    if (link.column) {
      out.columns.push_back(link.column(value));
    } else {
      out.same.emplace_back(link.inner, value);
    }
  }
  return out;
}

}  // namespace gristmill::detail
