// Functions that wait, or whose calls have rules, in expressions: of frames, streams and SQL, also as the input of an aggregate.
//
//   Task<double> fetch_price(int64_t article);
//   const Udf price = udf_flow<double(int64_t)>("price", fetch_price, CallRules{.retry = Retry{.times = 3}, .rate = RateLimit(100)});
//   frame.with_columns({price(col("article")).alias("price")});
//   ARROW_RETURN_NOT_OK(register_function(price));  // sql("select price(article) from orders")
//
// The rows of a batch are the items of a flow of that one function (flow.h): they are open side by side, results keep the order of the
// rows, and the first failing row is the one that is told. The function takes what udf() in udf.h takes, and gives a value, a Result or a
// Task; the signature says its types: R(A...) with R the value. Rows with a NULL argument give NULL without a call, unless a
// parameter is std::optional.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "gristmill/flow.h"
#include "gristmill/udf.h"

namespace gristmill {
namespace detail {

// What an item of the flow holds of a parameter.
template <typename T>
struct Owned {
  using Type = Stored<T>;
};
template <typename T>
struct Owned<std::optional<T>> {
  using Type = std::optional<Stored<T>>;
};

// The first row that failed, with the function's own message.
class FirstFailure {
 public:
  FlowOptions options() {
    FlowOptions out{.errors = FlowErrors::kReturn};
    out.on_event = [this](const FlowEvent& event) {
      if (event.what != FlowEvent::What::kItemError) return;
      std::lock_guard lock(mutex_);
      failures_.emplace(event.item, event.error);
    };
    return out;
  }
  arrow::Status of(int64_t row) const {
    std::lock_guard lock(mutex_);
    const auto it = failures_.find(row);
    return it == failures_.end() ? arrow::Status::OK() : row_error(it->second.message(), row);
  }

 private:
  mutable std::mutex mutex_;
  std::map<int64_t, arrow::Status> failures_;
};

template <typename Signature>
struct FlowRows;
template <typename R, typename... A>
struct FlowRows<R(A...)> {
  static_assert(sizeof...(A) > 0, "a user function takes at least one argument");
  template <typename T>
  using In = typename Owned<std::remove_cvref_t<T>>::Type;

  template <typename F>
  FlowRows(const std::string& name, F function, CallRules rules) : inputs{flow.input<In<A>>(next_name())...} {
    value = std::apply([&](const auto&... slots) { return flow.add(name, std::move(function), std::move(rules), slots...); }, inputs);
  }

  template <size_t... I>
  arrow::Result<std::shared_ptr<arrow::Array>> run(const Arrays& args, std::index_sequence<I...>) const {
    FlowInputs given;
    (given.over(std::get<I>(inputs), column<In<A>>(*args[I])), ...);
    typename Traits<R>::BuilderType builder;
    FirstFailure failure;
    ARROW_RETURN_NOT_OK(flow.stream(
        value, given,
        [&](int64_t row, arrow::Result<R> found) -> arrow::Result<bool> {
          ARROW_RETURN_NOT_OK(found.ok() ? append(builder, *found) : failure.of(row));
          return true;
        },
        failure.options()));
    return builder.Finish();
  }

  std::string next_name() { return "argument " + std::to_string(next++); }

  template <typename T>
  static std::vector<T> column(const arrow::Array& array) {
    std::vector<T> out;
    out.reserve(static_cast<size_t>(array.length()));
    for (int64_t i = 0; i < array.length(); ++i) out.push_back(read<T>(array, i));
    return out;
  }

  Flow flow;
  int next = 0;
  std::tuple<Slot<In<A>>...> inputs;
  Slot<R> value;
};

}  // namespace detail

template <typename Signature, typename F>
Udf udf_flow(std::string name, F function, CallRules rules = {}, UdfOptions options = {}) {
  return [&]<typename R, typename... A>(std::type_identity<R(A...)>) {
    options.call_with_nulls = (detail::Value<std::remove_cvref_t<A>>::kOptional || ...);
    options.arguments = {detail::Traits<A>::type_singleton()...};
    const auto rows = std::make_shared<const detail::FlowRows<R(A...)>>(name, std::move(function), std::move(rules));
    auto run = [rows](const Arrays& args) { return rows->run(args, std::index_sequence_for<A...>{}); };
    return udf_vector(std::move(name), detail::Traits<R>::type_singleton(), std::move(run), std::move(options));
  }(std::type_identity<Signature>{});
}

}  // namespace gristmill
