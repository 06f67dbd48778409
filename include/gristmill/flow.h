// Graphs of your own functions over many items, each function run the way that suits it.
//
//   Flow flow;
//   auto url = flow.input<std::string>("url");
//   auto page = flow.add("page", fetch, CallRules{.retry = Retry{.times = 3}, .timeout = 5s, .rate = RateLimit(100)}, url);
//   auto words = flow.add("words", [](const std::string& text) { return count_words(text); }, page);
//   auto stored = flow.add("stored", store, url, words);
//   // Task<std::string> fetch(std::string); arrow::Result<bool> store(std::string_view url, int64_t words), waits for a database
//
//   ARROW_ASSIGN_OR_RAISE(std::vector<int64_t> counts, flow.map(words, FlowInputs().over(url, urls)));  // in the order of the input
//   flow.map(std::tuple(words, stored), ...);  // tuples; only what is wanted is run
//
// An edge is a Slot: what a function takes and gives is checked by the compiler, and a cycle cannot be written. A function is called with
// const references and gives T, arrow::Result<T> or Task<T> (a coroutine, task.h); if its last parameter is a `const FlowCall&` it is told
// which call it is. Plain functions are called by several threads at once.
//
// A function that gives an Each<T> or AsyncEach<T> (flow_each.h) gives several values: each goes on as an item of its own, in order. What
// does not depend on it is run once, before. map() and stream() have a row for each.
//
// A flow is a part of another: add_flow() lays its functions among the others, add_map() runs it for each value of a slot that has many.
// Either way it is one scheduler. add_batch() adds a function of many items at once (flow_batch.h), per_worker() makes one with a state of
// its own for each worker (flow_worker.h).
//
// Ways: coroutines share one event loop, thousands at once; functions that wait get a thread for each open call, kept warm; functions that
// compute run on the engine's workers. Which of the two a plain function is shows in its calls (CPU time against time); explain() tells.
// Independent functions of an item overlap, items overlap, nothing waits for a whole level of the graph.
//
// When a call of map() or stream() returns, none of your functions is running any more: coroutines that were open are destroyed, and calls
// on threads, which cannot be stopped, are waited for (FlowCall::cancelled() tells them). Copies of a Flow share it; once it is built it
// may be run by several threads at once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>

#include "gristmill/flow_batch.h"
#include "gristmill/flow_cache.h"
#include "gristmill/flow_each.h"
#include "gristmill/flow_events.h"
#include "gristmill/flow_parts.h"
#include "gristmill/flow_rules.h"
#include "gristmill/flow_timeline.h"
#include "gristmill/flow_worker.h"
#include "gristmill/task.h"

namespace gristmill {

// What a flow is run for. A slot that a function gives may be given too: then that function is not called.
class FlowInputs {
 public:
  // An item a value. Several: side by side, equally many; with product() every combination, the last one changing fastest.
  template <typename T>
  FlowInputs& over(Slot<T> slot, std::vector<T> values) {
    given_.columns.push_back(detail::column_of<T>({slot.index, slot.flow}, std::make_shared<const std::vector<T>>(std::move(values))));
    return *this;
  }
  // As many items as come: pulled as there is room, by one thread at a time. No value is the end; an error ends the run.
  template <typename T>
  FlowInputs& from(Slot<T> slot, std::type_identity_t<std::function<arrow::Result<std::optional<T>>()>> next) {
    given_.source = {slot.index, slot.flow};
    given_.next = [next = std::move(next)]() -> arrow::Result<detail::Anything> {
      ARROW_ASSIGN_OR_RAISE(std::optional<T> value, next());
      return value ? detail::Anything(std::make_shared<T>(std::move(*value))) : nullptr;
    };
    return *this;
  }
  template <typename T>
  FlowInputs& with(Slot<T> slot, std::type_identity_t<T> value) {  // the same for all
    given_.same.emplace_back(Slot<void>{slot.index, slot.flow}, std::make_shared<const T>(std::move(value)));
    return *this;
  }
  FlowInputs& product() {
    given_.product = true;
    return *this;
  }
  const detail::FlowGiven& given() const { return given_; }

 private:
  detail::FlowGiven given_;
};

// What the inputs of a flow are given where it is used in another.
class FlowLinks {
 public:
  // An item a value (add_map). Several: side by side, equally many; with product() every combination, the last one changing fastest.
  template <typename T>
  FlowLinks& over(Slot<T> inner, Slot<std::vector<T>> values) {
    const Slot<void> slot{inner.index, inner.flow};
    links_.push_back({slot, {values.index, values.flow}, nullptr, [slot](const detail::Anything& given) {
                        return detail::column_of<T>(slot, std::static_pointer_cast<const std::vector<T>>(given));
                      }});
    return *this;
  }
  template <typename T>
  FlowLinks& with(Slot<T> inner, Slot<T> outer) {
    links_.push_back({{inner.index, inner.flow}, {outer.index, outer.flow}, nullptr, nullptr});
    return *this;
  }
  template <typename T>
  FlowLinks& with(Slot<T> inner, std::type_identity_t<T> value) {  // always that
    links_.push_back({{inner.index, inner.flow}, {}, std::make_shared<const T>(std::move(value)), nullptr});
    return *this;
  }
  FlowLinks& product() {
    product_ = true;
    return *this;
  }

 private:
  friend class Flow;
  std::vector<detail::FlowLink> links_;
  bool product_ = false;
};

class Flow {
 public:
  Flow();

  template <typename T>
  Slot<T> input(std::string name) {
    return {detail::add_input(*graph_, std::move(name), nullptr), graph_.get()};
  }
  // One that need not be given.
  template <typename T>
  Slot<T> input(std::string name, std::type_identity_t<T> otherwise) {
    return {detail::add_input(*graph_, std::move(name), std::make_shared<const T>(std::move(otherwise))), graph_.get()};
  }

  // From now on that is the value of the slot in runs that do not give it; a function whose slot it is is not called then.
  template <typename T>
  Flow& bind(Slot<T> slot, std::type_identity_t<T> value) {
    detail::bind_slot(*graph_, {slot.index, slot.flow}, std::make_shared<const T>(std::move(value)));
    return *this;
  }

  // A function of those slots; `name` is what it gives, and what errors and explain() call it.
  template <typename F, typename... A>
  auto add(std::string name, F function, CallRules rules, Slot<A>... slots) {
    using T = typename detail::GivenBy<F, A...>::Type;
    detail::FlowNode node = detail::node_of<F, A...>(std::move(function), std::move(rules));
    node.name = std::move(name);
    node.inputs = {index_here(slots)...};
    return Slot<T>{detail::add_node(*graph_, std::move(node)), graph_.get()};
  }
  template <typename F, typename... A>
  auto add(std::string name, F function, Slot<A>... slots) {
    return add(std::move(name), std::move(function), CallRules{}, slots...);
  }

  // A function of up to `size` items at once: it takes a Batch of each slot and gives a std::vector, a Result or a Task of one.
  template <typename F, typename... A>
  auto add_batch(std::string name, int64_t size, F function, CallRules rules, Slot<A>... slots) {
    using T = typename detail::GivenBy<F, Batch<A>...>::Type::value_type;
    detail::FlowNode node = detail::batch_node_of<F, A...>(size, std::move(function), std::move(rules));
    node.name = std::move(name);
    node.inputs = {index_here(slots)...};
    return Slot<T>{detail::add_node(*graph_, std::move(node)), graph_.get()};
  }
  template <typename F, typename... A>
  auto add_batch(std::string name, int64_t size, F function, Slot<A>... slots) {
    return add_batch(std::move(name), size, std::move(function), CallRules{}, slots...);
  }

  // A function that has two forms with the same answers: `many` as in add_batch(), and `one`, as in add(), for run(), which is for one
  // item.
  template <typename One, typename Many, typename... A>
  auto add_dual(std::string name, One one, int64_t size, Many many, CallRules rules, Slot<A>... slots) {
    using T = typename detail::GivenBy<One, A...>::Type;
    static_assert(std::is_same_v<typename detail::GivenBy<Many, Batch<A>...>::Type, std::vector<T>>,
                  "the form for many items gives a std::vector of what the form for one item gives");
    static_assert(!detail::GivenBy<One, A...>::kEach, "a function with two forms gives one value for an item");
    detail::FlowNode node = detail::batch_node_of<Many, A...>(size, std::move(many), rules);
    node.one = std::make_shared<const detail::FlowNode>(detail::node_of<One, A...>(std::move(one), std::move(rules)));
    node.name = std::move(name);
    node.inputs = {index_here(slots)...};
    return Slot<T>{detail::add_node(*graph_, std::move(node)), graph_.get()};
  }
  template <typename One, typename Many, typename... A>
  auto add_dual(std::string name, One one, int64_t size, Many many, Slot<A>... slots) {
    return add_dual(std::move(name), std::move(one), size, std::move(many), CallRules{}, slots...);
  }

  // The functions of `inner` that `wanted` needs join this flow, called `name`.their-name. `wanted`: a Slot of it, or a tuple of Slots.
  template <typename T>
  Slot<T> add_flow(const std::string& name, const Flow& inner, Slot<T> wanted, const FlowLinks& links) {
    return std::get<0>(add_flow(name, inner, std::tuple(wanted), links));
  }
  template <typename... T>
  std::tuple<Slot<T>...> add_flow(const std::string& name, const Flow& inner, std::tuple<Slot<T>...> wanted, const FlowLinks& links) {
    const std::vector<int> slots =
        detail::add_flow(*graph_, name, *inner.graph_, detail::Wanted<std::tuple<Slot<T>...>>::slots(wanted), here(links));
    size_t at = 0;
    return std::tuple<Slot<T>...>{Slot<T>{slots[at++], graph_.get()}...};
  }
  // `inner` for each value of the slots that `links` goes over: a vector of what is wanted of it, in order. If one fails, all of it has.
  template <typename W>
  auto add_map(std::string name, const Flow& inner, W wanted, const FlowLinks& links) {
    using Row = typename detail::Wanted<W>::Row;
    return Slot<std::vector<Row>>{detail::add_map(*graph_, std::move(name), *inner.graph_, detail::Wanted<W>::slots(wanted), here(links),
                                                  links.product_, detail::gathered<W>),
                                  graph_.get()};
  }

  // `wanted`: a Slot, or a tuple of Slots; only what they need is run.
  template <typename W>
  arrow::Result<typename detail::Wanted<W>::Row> run(W wanted, const FlowInputs& inputs = {}, const FlowOptions& options = {}) const {
    ARROW_ASSIGN_OR_RAISE(auto rows, detail::collect(graph_, inputs.given(), detail::Wanted<W>::slots(wanted), options));
    if (rows.size() != 1 || !rows[0])
      return arrow::Status::Invalid("run() is for one row, and these inputs give ", rows.size(), "; use map()");
    return detail::typed<W>(*rows[0]);
  }
  // In the order of the input; kReturn is map_each's.
  template <typename W>
  arrow::Result<std::vector<typename detail::Wanted<W>::Row>> map(W wanted, const FlowInputs& inputs,
                                                                  const FlowOptions& options = {}) const {
    ARROW_ASSIGN_OR_RAISE(auto rows, detail::collect(graph_, inputs.given(), detail::Wanted<W>::slots(wanted), options));
    std::vector<typename detail::Wanted<W>::Row> out;
    out.reserve(rows.size());
    for (auto& row : rows) {
      if (!row) continue;
      if (!row->ok()) return row->status();
      out.push_back(detail::Wanted<W>::row(**row));
    }
    return out;
  }
  // A value or the failure for each item (and each value of a generator).
  template <typename W>
  arrow::Result<std::vector<arrow::Result<typename detail::Wanted<W>::Row>>> map_each(W wanted, const FlowInputs& inputs,
                                                                                      FlowOptions options = {}) const {
    options.errors = FlowErrors::kReturn;
    ARROW_ASSIGN_OR_RAISE(auto rows, detail::collect(graph_, inputs.given(), detail::Wanted<W>::slots(wanted), options));
    std::vector<arrow::Result<typename detail::Wanted<W>::Row>> out;
    out.reserve(rows.size());
    for (auto& row : rows) out.push_back(detail::typed<W>(*row));
    return out;
  }
  // `take` gets the number of an item and its values (or with kReturn its failure), one at a time, on some thread of the run, and says
  // whether it wants more. While it is busy no more than `window` items are open or waiting for it, so inputs may be endless.
  template <typename W>
  arrow::Status stream(W wanted, const FlowInputs& inputs,
                       std::function<arrow::Result<bool>(int64_t item, arrow::Result<typename detail::Wanted<W>::Row> row)> take,
                       const FlowOptions& options = {}) const {
    return detail::stream(graph_, inputs.given(), detail::Wanted<W>::slots(wanted), options,
                          [take = std::move(take)](int64_t item, detail::FlowRow row) { return take(item, detail::typed<W>(row)); });
  }

  // Each function with the way its calls go, why, and the numbers behind it.
  std::string explain() const;
  // The graph as a drawing: inputs on the left, each function to the right of what it takes, coloured by its way.
  std::string to_svg() const;

 private:
  static constexpr int kElsewhere = -1;
  template <typename T>
  int index_here(const Slot<T>& slot) const {
    return slot.flow == graph_.get() ? slot.index : kElsewhere;
  }
  std::vector<detail::FlowLink> here(const FlowLinks& links) const {
    std::vector<detail::FlowLink> out = links.links_;
    for (detail::FlowLink& link : out) {
      if (!link.constant) link.outer.index = index_here(link.outer);
    }
    return out;
  }
  std::shared_ptr<detail::FlowGraph> graph_;
};

}  // namespace gristmill
