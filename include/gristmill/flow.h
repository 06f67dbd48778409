// Graphs of your own functions over many items, each function run the way that suits it.
//
//   Flow flow;
//   auto url = flow.input<std::string>("url");
//   auto page = flow.add("page", fetch, CallRules{.retry = Retry{.times = 3}, .timeout = 5s, .rate = RateLimit(100)}, url);  //
//   Task<std::string> fetch(std::string) auto words = flow.add("words", [](const std::string& text) { return count_words(text); }, page);
//   auto stored = flow.add("stored", store, url, words);  // arrow::Result<bool> store(std::string_view url, int64_t words), waits for a
//   database
//
//   ARROW_ASSIGN_OR_RAISE(std::vector<int64_t> counts, flow.map(words, FlowInputs().over(url, urls)));  // in the order of the input
//   flow.map(std::tuple(words, stored), ...);                                                           // tuples; only what is wanted is
//   run
//
// An edge is a Slot: what a function takes and gives is checked by the compiler, and a cycle cannot be written. A function is called with
// const references and gives T, arrow::Result<T> or Task<T> (a coroutine, task.h); if its last parameter is a `const FlowCall&` it is told
// which call it is. Plain functions are called by several threads at once.
//
// Ways: coroutines share one event loop, thousands at once; functions that wait get a thread for each open call, kept warm; functions that
// compute run on the engine's workers. Which of the two a plain function is shows in its calls (CPU time against time); explain() tells.
// Independent functions of an item overlap, items overlap, nothing waits for a whole level of the graph.
//
// When a call of map() or stream() returns, none of your functions is running any more: coroutines that were open are destroyed, and calls
// on threads, which cannot be stopped, are waited for (FlowCall::cancelled() tells them). A Flow may be copied, and run by several threads
// at once.
#pragma once

#include <atomic>
#include <chrono>
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
#include <arrow/type_fwd.h>

#include "gristmill/options.h"
#include "gristmill/task.h"

namespace gristmill {

// Up to `times` more calls after a failed one. The pause before the n-th is first * factor^(n-1) seconds, at most `most`, less a part up to
// `jitter` of it that depends on the item, so that many do not come back at one moment. `on`: which errors are worth it (nothing: all).
struct Retry {
  int times = 3;
  double first = 0.1;
  double factor = 2;
  double most = 60;
  double jitter = 0.5;
  std::function<bool(const arrow::Status&)> on = {};
};

// At most `calls` starts in any `seconds`; copies share it, so several functions and flows may. They come evenly: at most `burst` at a
// moment (0: what belongs to a hundredth of a second, at least one).
class RateLimit {
 public:
  explicit RateLimit(int64_t calls, double seconds = 1.0, int64_t burst = 0);
  struct State;
  const std::shared_ptr<State>& state() const { return state_; }

 private:
  std::shared_ptr<State> state_;
};

enum class CallWay : uint8_t { kAuto, kCompute, kBlocking };

// Rules for the calls of one function. A plain function with a time-out, rate or window gets threads of its own.
struct CallRules {
  std::optional<Retry> retry = {};
  std::chrono::nanoseconds timeout{0};  // of each call; 0: none
  std::optional<RateLimit> rate = {};
  int64_t window = 0;        // calls open at once; 0: 10,000 of a coroutine, 1,024 of a function
  int64_t window_bytes = 0;  // bytes of the arguments of open calls (one call is always let in); 0: no limit
  CallWay way = CallWay::kAuto;
};

// Which call a function is in.
struct FlowCall {
  int64_t item = 0;  // from 0
  int attempt = 1;
  std::shared_ptr<const std::atomic<bool>> ended = {};
  bool cancelled() const { return ended && ended->load(std::memory_order_relaxed); }  // nobody waits for it any more
};

enum class FlowErrors : uint8_t {
  kFail,     // the first failure that occurs ends the run
  kOrdered,  // the failure of the earliest item does: which one does not depend on timing
  kReturn,   // stands in the item's place (map_each, stream)
  kSkip,     // the item is left out
};

struct FlowFailure {
  int64_t item = 0;
  std::string node;
  arrow::Status status;
  int attempts = 1;
};

struct FlowOptions {
  FlowErrors errors = FlowErrors::kFail;
  std::function<void(const FlowFailure&)> dead_letter = {};  // with kSkip: told of each item left out, one at a time
  int num_workers = 0;                                       // of the engine's, for functions that compute; 0: all
  int64_t window = 10'000;                                   // items open, and of a stream also those not yet taken
  bool ordered = true;                                       // of a stream: in the order of the input, or as they are completed
  Cancellation cancel = {};
};

// A value of the graph: an input, or what a function gives.
template <typename T>
struct Slot {
  int index = -1;
  const void* flow = nullptr;
};

namespace detail {

class FlowGraph;
using Anything = std::shared_ptr<const void>;
using FlowRow = arrow::Result<std::vector<Anything>>;

struct FlowNode {
  std::string name;
  std::vector<int> inputs;
  std::function<arrow::Result<Anything>(const std::vector<Anything>&, const FlowCall&)> plain = {};
  std::function<Task<Anything>(std::vector<Anything>, FlowCall)> coroutine = {};  // one of the two
  std::function<int64_t(const std::vector<Anything>&)> bytes = {};
  CallRules rules = {};
};

struct FlowColumn {
  int slot;
  const void* flow;
  int64_t count;
  std::function<Anything(int64_t)> at;
};
struct FlowGiven {
  std::vector<FlowColumn> columns;
  std::vector<std::pair<Slot<void>, Anything>> same;
  Slot<void> source;
  std::function<arrow::Result<Anything>()> next;  // null: the end
  bool product = false;
};

int add_input(FlowGraph& graph, std::string name, Anything otherwise);
int add_node(FlowGraph& graph, FlowNode node);
// A row an item, in order; nothing for those left out.
arrow::Result<std::vector<std::optional<FlowRow>>> collect(const std::shared_ptr<FlowGraph>& graph, const FlowGiven& given,
                                                           const std::vector<Slot<void>>& wanted, const FlowOptions& options);
arrow::Status stream(const std::shared_ptr<FlowGraph>& graph, const FlowGiven& given, const std::vector<Slot<void>>& wanted,
                     const FlowOptions& options, std::function<arrow::Result<bool>(int64_t, FlowRow)> take);

template <typename R>
struct Given {
  using Type = R;
  static constexpr bool kAsync = false;
};
template <typename T>
struct Given<arrow::Result<T>> : Given<T> {};
template <typename T>
struct Given<Task<T>> {
  using Type = T;
  static constexpr bool kAsync = true;
};

template <typename F, typename... A>
auto call(const F& f, const FlowCall& told, const A&... args) {
  if constexpr (std::is_invocable_v<const F&, const A&..., const FlowCall&>) {
    return f(args..., told);
  } else {
    static_assert(std::is_invocable_v<const F&, const A&...>, "the function does not take what these slots give, as const references");
    return f(args...);
  }
}

int64_t bytes_of(const std::shared_ptr<arrow::Array>& v);
int64_t bytes_of(const std::shared_ptr<arrow::RecordBatch>& v);
int64_t bytes_of(const std::shared_ptr<arrow::Table>& v);
int64_t bytes_of(const std::shared_ptr<arrow::Buffer>& v);
// A type of your own that owns memory: `int64_t flow_bytes(const Yours&)` beside it.
template <typename T>
int64_t bytes_of(const T& v) {
  if constexpr (requires { flow_bytes(v); }) {
    return flow_bytes(v);
  } else if constexpr (requires {
                         typename T::value_type;
                         v.begin();
                         v.size();
                       }) {
    int64_t bytes = sizeof(T);
    if constexpr (std::is_arithmetic_v<typename T::value_type>) {
      bytes += static_cast<int64_t>(v.size() * sizeof(typename T::value_type));
    } else {
      for (const auto& part : v) bytes += bytes_of(part);
    }
    return bytes;
  } else {
    return sizeof(T);
  }
}

template <typename T>
const T& as(const Anything& value) {
  return *static_cast<const T*>(value.get());
}

// The value itself where nobody else has it.
template <typename T>
T take(Anything& value) {
  if (value.use_count() == 1) return std::move(*const_cast<T*>(static_cast<const T*>(value.get())));
  return as<T>(value);
}

// Around the user's coroutine: owns what that has references to.
template <typename T, typename F, typename... A, size_t... I>
Task<Anything> awaited(std::shared_ptr<const F> f, std::vector<Anything> args, FlowCall told, std::index_sequence<I...>) {
  Task<T> task = call(*f, told, as<A>(args[I])...);
  arrow::Result<T> answer = co_await task;
  if (!answer.ok()) co_return answer.status();
  co_return Anything(std::make_shared<T>(std::move(*answer)));
}

template <typename T, typename F, typename... A, size_t... I>
arrow::Result<Anything> called(const F& f, const std::vector<Anything>& args, const FlowCall& told, std::index_sequence<I...>) {
  try {
    arrow::Result<T> answer = call(f, told, as<A>(args[I])...);
    if (!answer.ok()) return answer.status();
    return Anything(std::make_shared<T>(std::move(*answer)));
  } catch (...) {
    return exception_status();
  }
}

template <typename F, typename... A>
using GivenBy =
    Given<std::remove_cvref_t<decltype(call(std::declval<const F&>(), std::declval<const FlowCall&>(), std::declval<const A&>()...))>>;

template <typename W>
struct Wanted;
template <typename T>
struct Wanted<Slot<T>> {
  using Row = T;
  static std::vector<Slot<void>> slots(const Slot<T>& s) { return {{s.index, s.flow}}; }
  static Row row(std::vector<Anything>& values) { return take<T>(values[0]); }
};
template <typename... T>
struct Wanted<std::tuple<Slot<T>...>> {
  using Row = std::tuple<T...>;
  static std::vector<Slot<void>> slots(const std::tuple<Slot<T>...>& wanted) {
    return std::apply([](const auto&... s) { return std::vector<Slot<void>>{{s.index, s.flow}...}; }, wanted);
  }
  static Row row(std::vector<Anything>& values) { return row(values, std::index_sequence_for<T...>{}); }
  template <size_t... I>
  static Row row(std::vector<Anything>& values, std::index_sequence<I...>) {
    return Row(take<T>(values[I])...);
  }
};
template <typename W>
arrow::Result<typename Wanted<W>::Row> typed(FlowRow& row) {
  if (!row.ok()) return row.status();
  return Wanted<W>::row(*row);
}

}  // namespace detail

// What a flow is run for. A slot that a function gives may be given too: then that function is not called.
class FlowInputs {
 public:
  // An item a value. Several: side by side, equally many; with product() every combination, the last one changing fastest.
  template <typename T>
  FlowInputs& over(Slot<T> slot, std::vector<T> values) {
    const auto held = std::make_shared<const std::vector<T>>(std::move(values));
    given_.columns.push_back({slot.index, slot.flow, static_cast<int64_t>(held->size()), [held](int64_t i) -> detail::Anything {
                                if constexpr (std::is_same_v<T, bool>) {
                                  return std::make_shared<const bool>((*held)[i]);
                                } else {
                                  return {held, &(*held)[i]};
                                }
                              }});
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

  // A function of those slots; `name` is what it gives, and what errors and explain() call it.
  template <typename F, typename... A>
  auto add(std::string name, F function, CallRules rules, Slot<A>... slots) {
    using G = detail::GivenBy<F, A...>;
    using T = typename G::Type;
    static_assert(!std::is_void_v<T> && !std::is_same_v<T, arrow::Status>,
                  "a function of a flow gives a value, an arrow::Result of one or a Task of one");
    const auto kept = std::make_shared<const F>(std::move(function));
    detail::FlowNode node{.name = std::move(name), .inputs = {index_here(slots)...}, .rules = std::move(rules)};
    if constexpr (G::kAsync) {
      node.coroutine = [kept](std::vector<detail::Anything> args, FlowCall told) {
        return detail::awaited<T, F, A...>(kept, std::move(args), std::move(told), std::index_sequence_for<A...>{});
      };
    } else {
      node.plain = [kept](const std::vector<detail::Anything>& args, const FlowCall& told) {
        return detail::called<T, F, A...>(*kept, args, told, std::index_sequence_for<A...>{});
      };
    }
    node.bytes = [](const std::vector<detail::Anything>& args) { return bytes<A...>(args, std::index_sequence_for<A...>{}); };
    return Slot<T>{detail::add_node(*graph_, std::move(node)), graph_.get()};
  }
  template <typename F, typename... A>
  auto add(std::string name, F function, Slot<A>... slots) {
    return add(std::move(name), std::move(function), CallRules{}, slots...);
  }

  // `wanted`: a Slot, or a tuple of Slots; only what they need is run.
  template <typename W>
  arrow::Result<typename detail::Wanted<W>::Row> run(W wanted, const FlowInputs& inputs = {}, const FlowOptions& options = {}) const {
    ARROW_ASSIGN_OR_RAISE(auto rows, detail::collect(graph_, inputs.given(), detail::Wanted<W>::slots(wanted), options));
    if (rows.size() != 1 || !rows[0])
      return arrow::Status::Invalid("run() is for one item, and these inputs are ", rows.size(), "; use map()");
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
  // A value or the failure for each item.
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

 private:
  template <typename... A, size_t... I>
  static int64_t bytes(const std::vector<detail::Anything>& args, std::index_sequence<I...>) {
    return (int64_t{0} + ... + detail::bytes_of(detail::as<A>(args[I])));
  }
  template <typename T>
  int index_here(const Slot<T>& slot) const {
    return slot.flow == graph_.get() ? slot.index : -1;
  }
  std::shared_ptr<detail::FlowGraph> graph_;
};

}  // namespace gristmill
