// Expressions of the public API: immutable values, built with operators and namespaces, evaluated by a frame.
//
//   (col("fare") > 10) & col("zone").is_not_null()
//   (col("fare") / col("km")).alias("per_km")
//   when(col("n") > 3).then("many").otherwise("few")
//
// Names and types are checked when the expression meets a frame; an Expr itself never fails.
// Thread safety: immutable, share freely.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arrow/type_fwd.h>

namespace gristmill {

namespace expr {
struct Node;
}

class WindowFrame;
struct SortKey;
class StringNamespace;
class TemporalNamespace;
class ListNamespace;
class StructNamespace;
class MapNamespace;
class JsonNamespace;

class Expr {
 public:
  // A literal. Integers, floats, bools and text; the type adapts to the other side of an operator.
  Expr(bool v);
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  Expr(T v) : Expr(Integer{static_cast<int64_t>(v)}) {}
  Expr(double v);
  Expr(const char* v);
  Expr(std::string_view v);
  Expr(const std::string& v);
  explicit Expr(std::shared_ptr<const expr::Node> node);

  Expr alias(std::string name) const;
  Expr name_suffix(std::string suffix) const;  // the name it would have, and the suffix; with selectors: each of the names
  Expr name_prefix(std::string prefix) const;
  Expr cast(std::shared_ptr<arrow::DataType> type) const;      // a value that does not fit is an error naming the row
  Expr try_cast(std::shared_ptr<arrow::DataType> type) const;  // NULL instead

  Expr is_null() const;
  Expr is_not_null() const;
  Expr is_nan() const;
  Expr fill_null(Expr value) const;
  Expr is_in(std::vector<Expr> values) const;
  Expr between(Expr low, Expr high) const;  // both ends included
  Expr floor_div(Expr divisor) const;
  Expr pow(Expr exponent) const;
  Expr abs() const;
  Expr sqrt() const;
  Expr ln() const;
  Expr exp() const;
  Expr floor() const;
  Expr ceil() const;
  Expr round(int digits = 0) const;
  Expr trunc(int digits = 0) const;
  Expr clip(Expr low, Expr high) const;  // a NULL bound does not bind
  Expr hash() const;                     // 64 bits, the same in every run
  Expr to_json() const;

  // Aggregates: inside group_by().agg() or select() of a whole frame.
  Expr sum() const;
  Expr mean() const;
  Expr min() const;
  Expr max() const;
  Expr count() const;  // non-null values
  Expr first() const;
  Expr last() const;
  Expr var(int ddof = 1) const;
  Expr std(int ddof = 1) const;
  Expr skew(bool bias = true) const;                          // false: of a sample
  Expr kurtosis(bool fisher = true, bool bias = true) const;  // fisher: 0 for a normal distribution, else 3
  Expr all() const;                                           // of bools
  Expr any() const;
  Expr bit_and() const;
  Expr bit_or() const;
  Expr bit_xor() const;
  Expr product() const;
  Expr n_unique() const;  // distinct values, NULL not counted
  Expr median() const;
  Expr quantile(double q, std::string interpolation = "linear") const;  // or lower, higher, nearest, midpoint, equiprobable
  Expr mode() const;                                                    // of several the one that came first
  Expr implode() const;                                                 // a list of the values
  Expr min_by(Expr by) const;                                           // the value where `by` is least, in the first such row
  Expr max_by(Expr by) const;
  Expr approx_n_unique() const;
  Expr approx_median() const;
  Expr approx_quantile(double q) const;
  // After an aggregate:
  Expr filter(Expr predicate) const;  // only rows where it is true
  Expr distinct() const;              // of equal values the first only
  // Rows sorted so before implode(), str().join(), first() and last() look at them; nulls last.
  Expr order_by(std::vector<Expr> keys, std::vector<bool> descending = {}) const;

  // Windows (gristmill/window.h). over() reaches every aggregate and window function of the expression that has none yet.
  Expr over(std::vector<Expr> partition_by) const;
  Expr over(std::vector<Expr> partition_by, std::vector<SortKey> order_by) const;
  Expr over(std::vector<Expr> partition_by, std::vector<SortKey> order_by, WindowFrame frame) const;
  Expr over(std::initializer_list<const char*> partition_by) const;
  Expr over(std::initializer_list<const char*> partition_by, std::vector<SortKey> order_by) const;
  Expr over(std::initializer_list<const char*> partition_by, std::vector<SortKey> order_by, WindowFrame frame) const;
  Expr shift(int64_t n = 1, std::optional<Expr> fill = {}) const;  // the value n rows before; negative: after
  Expr lag(int64_t n = 1, std::optional<Expr> fill = {}, bool ignore_nulls = false) const;
  Expr lead(int64_t n = 1, std::optional<Expr> fill = {}, bool ignore_nulls = false) const;
  Expr first_value(bool ignore_nulls = false) const;  // of the frame
  Expr last_value(bool ignore_nulls = false) const;
  Expr nth_value(int64_t n, bool ignore_nulls = false) const;
  Expr rank(std::string method = "average", bool descending = false) const;  // average, min, max, dense, ordinal; NULL has none
  Expr diff(int64_t n = 1) const;
  Expr pct_change(int64_t n = 1) const;
  Expr cum_sum() const;
  Expr cum_min() const;
  Expr cum_max() const;
  Expr cum_count() const;
  // The last `window` rows; NULL where fewer than min_periods (nothing: window) of them are not null.
  Expr rolling_sum(int64_t window, std::optional<int64_t> min_periods = {}) const;
  Expr rolling_mean(int64_t window, std::optional<int64_t> min_periods = {}) const;
  Expr rolling_min(int64_t window, std::optional<int64_t> min_periods = {}) const;
  Expr rolling_max(int64_t window, std::optional<int64_t> min_periods = {}) const;
  Expr rolling_std(int64_t window, std::optional<int64_t> min_periods = {}, int ddof = 1) const;
  Expr rolling_var(int64_t window, std::optional<int64_t> min_periods = {}, int ddof = 1) const;
  // Rows whose `by` is within `window` before the row's (the row's own included, the far end not): "7d", or a number.
  Expr rolling_sum_by(Expr by, Expr window) const;
  Expr rolling_mean_by(Expr by, Expr window) const;
  Expr rolling_min_by(Expr by, Expr window) const;
  Expr rolling_max_by(Expr by, Expr window) const;
  Expr rolling_std_by(Expr by, Expr window, int ddof = 1) const;
  Expr forward_fill(std::optional<int64_t> limit = {}) const;  // the last value before that is not null
  Expr backward_fill(std::optional<int64_t> limit = {}) const;

  StringNamespace str() const;
  TemporalNamespace dt() const;
  ListNamespace list() const;
  StructNamespace struct_() const;
  MapNamespace map() const;
  JsonNamespace json() const;

  const std::shared_ptr<const expr::Node>& node() const { return node_; }
  std::string to_string() const;

 private:
  struct Integer {
    int64_t value;
  };
  explicit Expr(Integer v);
  std::shared_ptr<const expr::Node> node_;
};

Expr col(std::string name);
Expr lit(Expr value);                        // a literal where an Expr is not deduced
Expr lit(std::shared_ptr<arrow::Scalar> v);  // any Arrow value, its type kept
Expr null();
Expr count();  // rows
Expr cov(Expr a, Expr b, int ddof = 1);
Expr corr(Expr a, Expr b);
Expr regr_slope(Expr y, Expr x);
Expr regr_intercept(Expr y, Expr x);
Expr coalesce(std::vector<Expr> values);
Expr call(std::string function, std::vector<Expr> args);  // any registered function by name

Expr concat_ws(Expr separator, std::vector<Expr> values);  // NULLs are passed over
Expr pack_list(std::vector<Expr> values);
Expr pack_struct(std::vector<std::pair<std::string, Expr>> fields);
Expr pack_map(Expr keys, Expr values);  // of two lists
Expr make_date(Expr year, Expr month, Expr day);
Expr make_duration(Expr amount, std::string unit);

Expr operator+(Expr a, Expr b);
Expr operator-(Expr a, Expr b);
Expr operator*(Expr a, Expr b);
Expr operator/(Expr a, Expr b);  // float64, as in every frame
Expr operator%(Expr a, Expr b);
Expr operator-(Expr a);
Expr operator==(Expr a, Expr b);
Expr operator!=(Expr a, Expr b);
Expr operator<(Expr a, Expr b);
Expr operator<=(Expr a, Expr b);
Expr operator>(Expr a, Expr b);
Expr operator>=(Expr a, Expr b);
Expr operator&(Expr a, Expr b);
Expr operator|(Expr a, Expr b);
Expr operator!(Expr a);

// when(c).then(x).when(d).then(y).otherwise(z); without otherwise: NULL.
class Then;
class When {
 public:
  Then then(Expr value) &&;

 private:
  friend class Then;
  friend When when(Expr condition);
  std::vector<Expr> parts_;
};
class Then {
 public:
  When when(Expr condition) &&;
  Expr otherwise(Expr value) &&;
  operator Expr() const;

 private:
  friend class When;
  std::vector<Expr> parts_;
};
When when(Expr condition);

}  // namespace gristmill

#include "gristmill/expr_namespaces.h"  // IWYU pragma: export
