// What the templates of flow.h are made of; nothing here is for users.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type_fwd.h>

#include "gristmill/flow_batch.h"
#include "gristmill/flow_cache.h"
#include "gristmill/flow_each.h"
#include "gristmill/flow_rules.h"
#include "gristmill/task.h"

namespace gristmill::detail {

class FlowGraph;
using FlowValues = std::vector<Anything>;
using FlowRow = arrow::Result<FlowValues>;

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

// An input of a flow that is used inside another, and what it is given: a slot outside, or a value.
struct FlowLink {
  Slot<void> inner;
  Slot<void> outer;  // index -1: `constant`
  Anything constant;
  std::function<FlowColumn(const Anything& values)> column;  // the slot outside has many: an item each
};
// Of the arguments and the value of a function, for a cache; none if one of their types cannot be packed.
struct FlowPacking {
  std::function<std::string(const FlowValues&)> key;
  std::function<std::string(const Anything&)> pack;
  std::function<Anything(std::string_view)> unpack;  // null: damaged
};
struct FlowNested;  // a flow that is mapped inside another (flow/graph.h)

struct FlowNode {
  std::string name = {};
  std::vector<int> inputs = {};
  std::function<arrow::Result<Anything>(const FlowValues&, const FlowCall&)> plain = {};
  std::function<Task<Anything>(FlowValues, FlowCall)> coroutine = {};  // one of the two, or `nested`
  std::function<int64_t(const FlowValues&)> bytes = {};
  CallRules rules = {};
  bool explodes = false;                          // what it gives is a FlowSource
  int64_t batch = 0;                              // items at once: takes and gives FlowValues
  std::shared_ptr<const FlowNode> one = nullptr;  // its form for a single item, if it has two
  std::shared_ptr<const FlowNested> nested = nullptr;
  std::shared_ptr<const FlowPacking> packing = nullptr;
};

int add_input(FlowGraph& graph, std::string name, Anything otherwise);
int add_node(FlowGraph& graph, FlowNode node);
void bind_slot(FlowGraph& graph, const Slot<void>& slot, Anything value);
// The functions of `inner` that `wanted` needs join `graph`: their slots there.
std::vector<int> add_flow(FlowGraph& graph, const std::string& name, const FlowGraph& inner, const std::vector<Slot<void>>& wanted,
                          const std::vector<FlowLink>& links);
int add_map(FlowGraph& graph, std::string name, const FlowGraph& inner, std::vector<Slot<void>> wanted, std::vector<FlowLink> links,
            bool product, std::function<Anything(std::vector<FlowValues>)> gather);
// A row an item (or a value of a generator), in order; nothing for those left out.
arrow::Result<std::vector<std::optional<FlowRow>>> collect(const std::shared_ptr<FlowGraph>& graph, const FlowGiven& given,
                                                           const std::vector<Slot<void>>& wanted, const FlowOptions& options);
arrow::Status stream(const std::shared_ptr<FlowGraph>& graph, const FlowGiven& given, const std::vector<Slot<void>>& wanted,
                     const FlowOptions& options, std::function<arrow::Result<bool>(int64_t, FlowRow)> take);

// What a function returns: its values, whether it waits, whether it gives several.
template <typename R>
struct Given {
  using Type = R;
  static constexpr bool kAsync = false;
  static constexpr bool kEach = false;
  static constexpr bool kAsyncEach = false;
};
template <typename T>
struct Given<arrow::Result<T>> : Given<T> {};
template <typename T>
struct Given<Each<T>> {
  using Type = T;
  static constexpr bool kAsync = false;
  static constexpr bool kEach = true;
  static constexpr bool kAsyncEach = false;
};
template <typename T>
struct Given<Task<T>> : Given<T> {
  static constexpr bool kAsync = true;
};
template <typename T>
struct Given<AsyncEach<T>> {
  using Type = T;
  static constexpr bool kAsync = true;
  static constexpr bool kEach = true;
  static constexpr bool kAsyncEach = true;
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

template <typename... A, size_t... I>
int64_t bytes_of_values(const FlowValues& args, std::index_sequence<I...>) {
  return (int64_t{0} + ... + bytes_of(as<A>(args[I])));
}
template <typename... A, size_t... I>
int64_t bytes_of_batch(const FlowValues& args, std::index_sequence<I...>) {
  const auto one = [](const auto& batch) {
    int64_t bytes = 0;
    for (const auto& value : batch) bytes += bytes_of(value);
    return bytes;
  };
  return (int64_t{0} + ... + one(Batch<A>(as<FlowValues>(args[I]))));
}

template <typename T, typename... A, size_t... I>
std::shared_ptr<const FlowPacking> packing_of(std::index_sequence<I...>) {
  if constexpr (Packed<T>::kCan && (true && ... && Packed<A>::kCan)) {
    return std::make_shared<const FlowPacking>(FlowPacking{[](const FlowValues& args) {
                                                             std::string key;
                                                             flow_pack_part(key, std::string(typeid(T).name()));
                                                             (pack_typed(key, as<A>(args[I])), ...);
                                                             return key;
                                                           },
                                                           [](const Anything& value) {
                                                             std::string out;
                                                             flow_pack_part(out, as<T>(value));
                                                             return out;
                                                           },
                                                           [](std::string_view in) -> Anything {
                                                             const auto value = std::make_shared<T>();
                                                             if (!flow_unpack_part(in, *value) || !in.empty()) return nullptr;
                                                             return value;
                                                           }});
  } else {
    return nullptr;
  }
}

template <typename T>
FlowColumn column_of(Slot<void> slot, std::shared_ptr<const std::vector<T>> values) {
  const auto count = static_cast<int64_t>(values->size());
  return {slot.index, slot.flow, count, [held = std::move(values)](int64_t i) -> Anything {
            if constexpr (std::is_same_v<T, bool>) {
              return std::make_shared<const bool>((*held)[static_cast<size_t>(i)]);
            } else {
              return {held, &(*held)[static_cast<size_t>(i)]};
            }
          }};
}

// ---- calls

template <typename T, typename F, typename... A, size_t... I>
arrow::Result<Anything> called(const F& f, const FlowValues& args, const FlowCall& told, std::index_sequence<I...>) {
  try {
    arrow::Result<T> answer = call(f, told, as<A>(args[I])...);
    if (!answer.ok()) return answer.status();
    return Anything(std::make_shared<T>(std::move(*answer)));
  } catch (...) {
    return exception_status();
  }
}

// Around the user's coroutine: owns what that has references to.
template <typename T, typename F, typename... A, size_t... I>
Task<Anything> awaited(std::shared_ptr<const F> f, FlowValues args, FlowCall told, std::index_sequence<I...>) {
  Task<T> task = call(*f, told, as<A>(args[I])...);
  arrow::Result<T> answer = co_await task;
  if (!answer.ok()) co_return answer.status();
  co_return Anything(std::make_shared<T>(std::move(*answer)));
}

// ---- calls of generators, which may refer to their arguments as long as they give

template <typename F, typename E>
struct EachHolder {
  std::shared_ptr<const F> f;
  FlowValues args;
  FlowCall told;
  E each;
};

template <typename T, typename F>
FlowSource source_of(std::shared_ptr<const F> f, FlowValues args, FlowCall told, Each<T> each) {
  const bool at_once = each.at_once();
  const auto holder =
      std::make_shared<EachHolder<F, Each<T>>>(EachHolder<F, Each<T>>{std::move(f), std::move(args), std::move(told), std::move(each)});
  FlowSource source{.at_once = at_once};
  source.plain = [holder](int64_t most) { return sip_of(holder->each, most); };
  return source;
}

template <typename T, typename F, typename... A, size_t... I>
arrow::Result<Anything> opened(const std::shared_ptr<const F>& f, const FlowValues& args, const FlowCall& told, std::index_sequence<I...>) {
  try {
    arrow::Result<Each<T>> each = call(*f, told, as<A>(args[I])...);
    if (!each.ok()) return each.status();
    return Anything(std::make_shared<FlowSource>(source_of<T>(f, args, told, std::move(*each))));
  } catch (...) {
    return exception_status();
  }
}

// A coroutine that gives all of them when it is through.
template <typename T, typename F, typename... A, size_t... I>
Task<Anything> opened_later(std::shared_ptr<const F> f, FlowValues args, FlowCall told, std::index_sequence<I...>) {
  Task<Each<T>> task = call(*f, told, as<A>(args[I])...);
  arrow::Result<Each<T>> each = co_await task;
  if (!each.ok()) co_return each.status();
  FlowSource source = source_of<T>(f, args, told, std::move(*each));
  if (!source.at_once) {
    source.coroutine = [plain = source.plain](int64_t most) -> Task<Anything> { return sip_now(plain, most); };
  }
  co_return Anything(std::make_shared<FlowSource>(std::move(source)));
}

template <typename T, typename F, typename... A, size_t... I>
Task<Anything> opened_async(std::shared_ptr<const F> f, FlowValues args, FlowCall told, std::index_sequence<I...>) {
  using Holder = EachHolder<F, std::optional<AsyncEach<T>>>;
  const auto holder = std::make_shared<Holder>(Holder{std::move(f), std::move(args), std::move(told), std::nullopt});
  holder->each.emplace(call(*holder->f, holder->told, as<A>(holder->args[I])...));
  FlowSource source;
  source.coroutine = [holder](int64_t most) { return sip_later<T>(holder, most); };
  source.end = [holder] { holder->each->end(); };
  co_return Anything(std::make_shared<FlowSource>(std::move(source)));
}

// ---- calls of functions of many items

template <typename T>
arrow::Result<Anything> parts_of(std::vector<T> given, size_t items) {
  if (given.size() != items) return arrow::Status::Invalid("a function of ", items, " items at once gave ", given.size());
  const auto parts = std::make_shared<FlowValues>();
  parts->reserve(items);
  for (size_t i = 0; i < items; ++i) parts->push_back(std::make_shared<T>(std::move(given[i])));
  return Anything(parts);
}

template <typename T, typename F, typename... A, size_t... I>
arrow::Result<Anything> called_batch(const F& f, const FlowValues& args, const FlowCall& told, std::index_sequence<I...>) {
  try {
    arrow::Result<std::vector<T>> answer = call(f, told, Batch<A>(as<FlowValues>(args[I]))...);
    if (!answer.ok()) return answer.status();
    return parts_of<T>(std::move(*answer), as<FlowValues>(args[0]).size());
  } catch (...) {
    return exception_status();
  }
}

template <typename T, typename F, typename... A, size_t... I>
Task<Anything> awaited_batch(std::shared_ptr<const F> f, FlowValues args, FlowCall told, std::index_sequence<I...>) {
  const std::tuple<Batch<A>...> batches(Batch<A>(as<FlowValues>(args[I]))...);
  Task<std::vector<T>> task = call(*f, told, std::get<I>(batches)...);
  arrow::Result<std::vector<T>> answer = co_await task;
  if (!answer.ok()) co_return answer.status();
  co_return parts_of<T>(std::move(*answer), as<FlowValues>(args[0]).size());
}

template <typename F, typename... A>
using GivenBy =
    Given<std::remove_cvref_t<decltype(call(std::declval<const F&>(), std::declval<const FlowCall&>(), std::declval<const A&>()...))>>;

// ---- nodes

template <typename F, typename... A>
FlowNode node_of(F function, CallRules rules) {
  using G = GivenBy<F, A...>;
  using T = typename G::Type;
  static_assert(!std::is_void_v<T> && !std::is_same_v<T, arrow::Status>,
                "a function of a flow gives a value, an arrow::Result of one or a Task of one");
  const auto kept = std::make_shared<const F>(std::move(function));
  FlowNode node{.rules = std::move(rules), .explodes = G::kEach};
  if constexpr (G::kAsync) {
    node.coroutine = [kept](FlowValues args, FlowCall told) {
      if constexpr (G::kAsyncEach) {
        return opened_async<T, F, A...>(kept, std::move(args), std::move(told), std::index_sequence_for<A...>{});
      } else if constexpr (G::kEach) {
        return opened_later<T, F, A...>(kept, std::move(args), std::move(told), std::index_sequence_for<A...>{});
      } else {
        return awaited<T, F, A...>(kept, std::move(args), std::move(told), std::index_sequence_for<A...>{});
      }
    };
  } else {
    node.plain = [kept](const FlowValues& args, const FlowCall& told) {
      if constexpr (G::kEach) {
        return opened<T, F, A...>(kept, args, told, std::index_sequence_for<A...>{});
      } else {
        return called<T, F, A...>(*kept, args, told, std::index_sequence_for<A...>{});
      }
    };
  }
  node.bytes = [](const FlowValues& args) { return bytes_of_values<A...>(args, std::index_sequence_for<A...>{}); };
  if (node.rules.cache) node.packing = packing_of<T, A...>(std::index_sequence_for<A...>{});
  return node;
}

template <typename F, typename... A>
FlowNode batch_node_of(int64_t size, F function, CallRules rules) {
  static_assert(sizeof...(A) > 0, "a function of many items needs a slot to take them from");
  using G = GivenBy<F, Batch<A>...>;
  using T = typename G::Type::value_type;
  static_assert(std::is_same_v<typename G::Type, std::vector<T>>, "a function of many items gives a std::vector of as many values");
  const auto kept = std::make_shared<const F>(std::move(function));
  FlowNode node{.rules = std::move(rules), .batch = size};
  if constexpr (G::kAsync) {
    node.coroutine = [kept](FlowValues args, FlowCall told) {
      return awaited_batch<T, F, A...>(kept, std::move(args), std::move(told), std::index_sequence_for<A...>{});
    };
  } else {
    node.plain = [kept](const FlowValues& args, const FlowCall& told) {
      return called_batch<T, F, A...>(*kept, args, told, std::index_sequence_for<A...>{});
    };
  }
  node.bytes = [](const FlowValues& args) { return bytes_of_batch<A...>(args, std::index_sequence_for<A...>{}); };
  return node;
}

// ---- rows

template <typename W>
struct Wanted;
template <typename T>
struct Wanted<Slot<T>> {
  using Row = T;
  static std::vector<Slot<void>> slots(const Slot<T>& s) { return {{s.index, s.flow}}; }
  static Row row(FlowValues& values) { return take<T>(values[0]); }
};
template <typename... T>
struct Wanted<std::tuple<Slot<T>...>> {
  using Row = std::tuple<T...>;
  static std::vector<Slot<void>> slots(const std::tuple<Slot<T>...>& wanted) {
    return std::apply([](const auto&... s) { return std::vector<Slot<void>>{{s.index, s.flow}...}; }, wanted);
  }
  static Row row(FlowValues& values) { return row(values, std::index_sequence_for<T...>{}); }
  template <size_t... I>
  static Row row(FlowValues& values, std::index_sequence<I...>) {
    return Row(take<T>(values[I])...);
  }
};
template <typename W>
arrow::Result<typename Wanted<W>::Row> typed(FlowRow& row) {
  if (!row.ok()) return row.status();
  return Wanted<W>::row(*row);
}
template <typename W>
Anything gathered(std::vector<FlowValues> rows) {
  std::vector<typename Wanted<W>::Row> out;
  out.reserve(rows.size());
  for (FlowValues& row : rows) out.push_back(Wanted<W>::row(row));
  return std::make_shared<std::vector<typename Wanted<W>::Row>>(std::move(out));
}

}  // namespace gristmill::detail
