// Functions of your own in expressions.
//
//   auto initials = udf<std::string(std::string_view)>("initials", [](std::string_view name) { return std::string(name.substr(0, 1)); });
//   frame.select({initials(col("name"))});
//
//   auto half = udf_vector("half", arrow::float64(), [](const Arrays& args) -> arrow::Result<std::shared_ptr<arrow::Array>> { ... });
//   ARROW_RETURN_NOT_OK(register_function(half));   // sql("select half(x) from t")
//
// A scalar function is called for each row, a vector function for many rows at once; both must treat each row alone, as they are called on
// pieces of any size, by several threads at once. Rows with a NULL argument give NULL without a call, unless a parameter is
// std::optional. A result may be T, std::optional<T> (nothing: NULL) or arrow::Result of either: an error ends the query and
// names the row. Types: bool, integers, float, double, std::string (parameters: std::string_view).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/result.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include "gristmill/expr.h"

namespace gristmill {

namespace expr {
class UserFunction;
}

using Arrays = std::vector<std::shared_ptr<arrow::Array>>;
using VectorFunction = std::function<arrow::Result<std::shared_ptr<arrow::Array>>(const Arrays& args)>;

struct UdfOptions {
  bool deterministic = true;  // equal arguments give equal results: may be called once for rows that are alike
  bool call_with_nulls = false;
  std::vector<std::shared_ptr<arrow::DataType>> arguments = {};  // arguments are cast to these; nothing: as they come, any number
  // More than 0: the function sees so many rows at a time (the last time fewer), cut by the number of rows that get to it, one batch after
  // the other, so that a row's result may depend on the others of its batch. Rows with a NULL argument are left out of what it
  // sees unless call_with_nulls. Such a function stands in select(), with_columns() and filter(), and sees also rows that a when() does not take.
  int64_t batch_rows = 0;
};

class Udf {
 public:
  explicit Udf(std::shared_ptr<const expr::UserFunction> function) : function_(std::move(function)) {}
  template <typename... Args>
  Expr operator()(Args&&... args) const {
    return call({Expr(std::forward<Args>(args))...});
  }
  Expr call(std::vector<Expr> args) const;
  const std::shared_ptr<const expr::UserFunction>& function() const { return function_; }

 private:
  std::shared_ptr<const expr::UserFunction> function_;
};

Udf udf_vector(std::string name, std::shared_ptr<arrow::DataType> returns, VectorFunction function, UdfOptions options = {});
// Makes it known to sql() and call() by its name, in the whole process.
arrow::Status register_function(const Udf& udf);
// The error of a row of the arrays that a vector function got.
arrow::Status row_error(std::string message, int64_t row);

namespace detail {

template <typename T>
struct Value {  // T itself
  using Plain = T;
  static constexpr bool kOptional = false;
};
template <typename T>
struct Value<std::optional<T>> {
  using Plain = T;
  static constexpr bool kOptional = true;
};
template <typename T>
using Stored = std::conditional_t<std::is_same_v<T, std::string_view>, std::string, T>;
template <typename T>
using Traits = arrow::CTypeTraits<Stored<typename Value<std::remove_cvref_t<T>>::Plain>>;

template <typename T>
struct Unwrapped {
  using Type = T;
};
template <typename T>
struct Unwrapped<arrow::Result<T>> {
  using Type = T;
};

template <typename T>
T read(const arrow::Array& array, int64_t i) {
  using V = Value<std::remove_cvref_t<T>>;
  const auto& typed = static_cast<const typename Traits<T>::ArrayType&>(array);
  const auto plain = [&]() -> typename V::Plain {
    if constexpr (std::is_same_v<Stored<typename V::Plain>, std::string>) {
      return typename V::Plain(typed.GetView(i));
    } else {
      return typed.Value(i);
    }
  };
  if constexpr (V::kOptional) {
    if (array.IsNull(i)) return std::nullopt;
  }
  return plain();
}

template <typename Builder, typename T>
arrow::Status append(Builder& builder, const T& value) {
  if constexpr (Value<T>::kOptional) {
    return value ? builder.Append(*value) : builder.AppendNull();
  } else {
    return builder.Append(value);
  }
}

template <typename Signature>
struct Scalar;
template <typename R, typename... A>
struct Scalar<R(A...)> {
  using Out = typename Unwrapped<R>::Type;

  template <typename F, size_t... I>
  static arrow::Result<std::shared_ptr<arrow::Array>> run(const F& f, const Arrays& args, int64_t rows, std::index_sequence<I...>) {
    typename Traits<Out>::BuilderType builder;
    ARROW_RETURN_NOT_OK(builder.Reserve(rows));
    for (int64_t i = 0; i < rows; ++i) {
      if constexpr (std::is_same_v<Out, R>) {
        ARROW_RETURN_NOT_OK(append(builder, f(read<A>(*args[I], i)...)));
      } else {
        arrow::Result<Out> value = f(read<A>(*args[I], i)...);
        if (!value.ok()) return row_error(value.status().message(), i);
        ARROW_RETURN_NOT_OK(append(builder, *value));
      }
    }
    return builder.Finish();
  }
};

template <typename Signature>
struct Make;
template <typename R, typename... A>
struct Make<R(A...)> {
  static_assert(sizeof...(A) > 0, "a user function takes at least one argument");
  template <typename F>
  static Udf udf(std::string name, F f, UdfOptions options) {
    using S = Scalar<R(A...)>;
    options.call_with_nulls = (Value<std::remove_cvref_t<A>>::kOptional || ...);
    options.arguments = {Traits<A>::type_singleton()...};
    auto run = [f = std::move(f)](const Arrays& args) { return S::run(f, args, args[0]->length(), std::index_sequence_for<A...>{}); };
    return udf_vector(std::move(name), Traits<typename S::Out>::type_singleton(), std::move(run), std::move(options));
  }
};

}  // namespace detail

template <typename Signature, typename F>
Udf udf(std::string name, F function, UdfOptions options = {}) {
  return detail::Make<Signature>::udf(std::move(name), std::move(function), std::move(options));
}

}  // namespace gristmill
