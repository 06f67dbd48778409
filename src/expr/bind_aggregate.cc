// The argument casts and result types of aggregates: one row of the table an aggregate.
//
// Sums and means see int64, uint64, float64, decimal or duration only; moments and approximate quantiles float64 only.

#include <algorithm>
#include <cmath>

#include <arrow/type.h>

#include "base/status.h"
#include "expr/aggregates.h"
#include "expr/bind.h"
#include "expr/promotion.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::TypePtr;

// The type the engine sums a value in; nullptr: it has no sum.
TypePtr summed_as(const TypePtr& t) {
  if (t->id() == Type::NA || t->id() == Type::BOOL) return arrow::int64();
  if (t->id() == Type::UINT64) return t;
  if (column::is_integer(*t)) return arrow::int64();
  if (column::is_float(*t)) return arrow::float64();
  if (column::is_decimal(*t) || t->id() == Type::DURATION) return t;
  return nullptr;
}

bool ordered(const arrow::DataType& t) {
  const auto p = column::physical_of(t);
  return p.ok() && *p != column::Physical::kNested;
}

// What an argument is cast to; nullptr: refused.
TypePtr same(const TypePtr& t) { return t; }
TypePtr if_ordered(const TypePtr& t) { return ordered(*t) ? t : nullptr; }
TypePtr if_number(const TypePtr& t) { return t->id() == Type::DURATION ? nullptr : summed_as(t); }
// Deviations are of float64 values: each is rounded once by its cast, the rest is exact.
TypePtr if_number_float64(const TypePtr& t) { return if_number(t) ? arrow::float64() : nullptr; }
TypePtr if_factor(const TypePtr& t) { return if_number(t) && column::is_decimal(*t) ? arrow::float64() : if_number(t); }
TypePtr if_bool(const TypePtr& t) { return t->id() == Type::BOOL || t->id() == Type::NA ? arrow::boolean() : nullptr; }
TypePtr if_bits(const TypePtr& t) { return t->id() == Type::NA ? arrow::int64() : column::is_integer(*t) ? t : nullptr; }
TypePtr as_text(const TypePtr& t) { return ordered(*t) && t->id() != Type::BINARY_VIEW ? arrow::utf8_view() : nullptr; }

// Of the first argument, cast.
TypePtr float64_of(const TypePtr&, const Node&) { return arrow::float64(); }
TypePtr int64_of(const TypePtr&, const Node&) { return arrow::int64(); }
TypePtr that(const TypePtr& t, const Node&) { return t; }
TypePtr list_of(const TypePtr& t, const Node&) { return arrow::list(arrow::field("item", t)); }
TypePtr sum_type(const TypePtr& t, const Node&) {
  if (column::is_decimal(*t)) return arrow::decimal128(kMaxDigits, decimal_scale(*t));
  return column::is_integer(*t) ? arrow::int64() : t;
}
TypePtr product_type(const TypePtr& t, const Node&) { return column::is_integer(*t) ? arrow::int64() : t; }

bool interpolates(const Node& aggregate) {
  const std::string way = text_option(aggregate.options, "interpolation");
  return way.empty() || way == "linear" || way == "midpoint";
}

// Between two values: numbers as float64, moments in their own unit, dates as timestamps; nullptr: there is nothing between them.
TypePtr quantile_type(const TypePtr& t, const Node& aggregate) {
  if (!interpolates(aggregate)) return t;
  if (if_number(t)) return arrow::float64();
  if (t->id() == Type::TIMESTAMP || t->id() == Type::DURATION || t->id() == Type::TIME64 || t->id() == Type::TIME32) return t;
  return t->id() == Type::DATE32 || t->id() == Type::DATE64 ? arrow::timestamp(arrow::TimeUnit::MICRO) : nullptr;
}

struct Aggregate {
  const char* name;
  std::vector<TypePtr (*)(const TypePtr&)> arguments;
  TypePtr (*result)(const TypePtr& first, const Node& aggregate);
  const char* takes;
  const char* summary;
  const char* example;
  bool sees_order = false;
  bool picks = false;
};

const std::vector<Aggregate>& aggregates() {
  static const std::vector<Aggregate> table = {
      {"all", {if_bool}, that, "bools", "True if no value is false; NULL of no value", "(col('x') < 4).all() -> true"},
      {"any", {if_bool}, that, "bools", "True if a value is true; NULL of no value", "(col('x') > 2).any() -> true"},
      {"approx_median",
       {if_number_float64},
       float64_of,
       "numbers",
       "The median within 0.4 %, in little memory",
       "col('x').approx_median() -> 3.0"},
      {"approx_n_unique",
       {same},
       int64_of,
       "one value",
       "Number of distinct values, NULL not counted, with a standard error of 1.6 %, in 4 KiB",
       "col('x').approx_n_unique() -> 2"},
      {"approx_quantile",
       {if_number_float64},
       float64_of,
       "numbers",
       "A quantile within 0.4 %, in little memory",
       "col('x').approx_quantile(0.1) -> 1.0"},
      {"bit_and", {if_bits}, that, "integers", "The bits that all values have", "col('x').bit_and() -> 1"},
      {"bit_or", {if_bits}, that, "integers", "The bits that some value has", "col('x').bit_or() -> 3"},
      {"bit_xor", {if_bits}, that, "integers", "The bits that an odd number of values have", "col('x').bit_xor() -> 1"},
      {"corr",
       {if_number_float64, if_number_float64},
       float64_of,
       "numbers",
       "Correlation of the rows where both are there, from exact sums; NaN where one does not vary",
       "corr(col('x'), col('y')) -> 0.18898223650461363"},
      {"count",
       {},
       int64_of,
       "one value or none",
       "Number of values that are not NULL; of rows without an argument",
       "col('x').count() -> 3"},
      {"cov",
       {if_number_float64, if_number_float64},
       float64_of,
       "numbers",
       "Covariance (ddof=1, 0: of the population) of the rows where both are there, from exact sums",
       "cov(col('x'), col('y')) -> 0.3333333333333333"},
      {"first", {same}, that, "one value", "The value, or NULL, of the first row", "col('x').first() -> 3", true, true},
      {"implode",
       {same},
       list_of,
       "one value",
       "The values, NULL too, as a list in the order of the rows or of order_by(); NULL of no row",
       "col('x').implode() -> [3, 1, null, 3]",
       true},
      {"kurtosis",
       {if_number_float64},
       float64_of,
       "numbers",
       "Fourth central moment over the squared variance, less 3 (fisher=True), of the rows as they are (bias=True) or as a sample, from "
       "exact sums, rounded once; NaN where all values are equal",
       "col('y').kurtosis() -> -1.36"},
      {"last", {same}, that, "one value", "The value, or NULL, of the last row", "col('x').last() -> 3", true, true},
      {"max",
       {if_ordered},
       that,
       "values that have an order",
       "The greatest value; NaN is above all numbers",
       "col('x').max() -> 3",
       false,
       true},
      {"max_by",
       {same, if_ordered},
       that,
       "a value and one that has an order",
       "The value, or NULL, where the other is greatest, in the first such row; rows where that is NULL do not count",
       "col('s').max_by(col('x')) -> 'a'",
       true,
       true},
      {"mean",
       {if_number},
       float64_of,
       "numbers",
       "The exact sum over the number of values, rounded once",
       "col('x').mean() -> 2.3333333333333335"},
      {"median",
       {if_ordered},
       that,
       "numbers, dates or times",
       "The middle value, or half way between the two in the middle",
       "col('x').median() -> 3.0"},
      {"min", {if_ordered}, that, "values that have an order", "The least value", "col('x').min() -> 1", false, true},
      {"min_by",
       {same, if_ordered},
       that,
       "a value and one that has an order",
       "The value, or NULL, where the other is least, in the first such row; rows where that is NULL do not count",
       "col('y').min_by(col('x')) -> 2",
       true,
       true},
      {"mode",
       {same},
       that,
       "one value",
       "The most frequent value; of several the one that came first",
       "col('x').mode() -> 3",
       true,
       true},
      {"n_unique",
       {same},
       int64_of,
       "one value",
       "Number of distinct values, NULL not counted; NaN is one value",
       "col('x').n_unique() -> 2"},
      {"product",
       {if_factor},
       product_type,
       "numbers",
       "Product; of integers one that does not fit is an error, of floats from the first row to the last",
       "col('x').product() -> 9",
       true},
      {"quantile",
       {if_ordered},
       that,
       "values that have an order, numbers, dates or times where it interpolates",
       "The value at q of the way through the sorted values; interpolation: linear, lower, higher, nearest, midpoint, equiprobable",
       "col('x').quantile(0.25) -> 2.0"},
      {"regr_intercept",
       {if_number_float64, if_number_float64},
       float64_of,
       "numbers",
       "Where the line of least squares of the first over the second argument meets zero",
       "regr_intercept(col('y'), col('x')) -> 1.75"},
      {"regr_slope",
       {if_number_float64, if_number_float64},
       float64_of,
       "numbers",
       "Slope of the line of least squares of the first over the second argument",
       "regr_slope(col('y'), col('x')) -> 0.25"},
      {"skew",
       {if_number_float64},
       float64_of,
       "numbers",
       "Third central moment over the variance to the power of 1.5, of the rows as they are (bias=True) or as a sample, from exact sums, "
       "rounded once; NaN where all values are equal",
       "col('x').skew() -> -0.7071067811865476"},
      {"std",
       {if_number_float64},
       float64_of,
       "numbers",
       "Standard deviation (ddof=1) from exact sums, rounded once",
       "col('x').std() -> 1.1547005383792515"},
      {"string_agg",
       {as_text},
       that,
       "values that can be text",
       "The values that are not NULL as text with a separator, in the order of the rows or of order_by(); NULL of none",
       "col('s').str.join('-') -> 'a-b-a'",
       true},
      {"sum",
       {summed_as},
       sum_type,
       "numbers",
       "Sum, of floats exactly and rounded once; one that does not fit is an error; NULL of no value",
       "col('x').sum() -> 7"},
      {"var",
       {if_number_float64},
       float64_of,
       "numbers",
       "Variance (ddof=1) from exact sums, rounded once",
       "col('x').var() -> 1.3333333333333333"},
  };
  return table;
}

arrow::Result<const Aggregate*> find_aggregate(const std::string& name) {
  std::vector<std::string> known;
  for (const Aggregate& a : aggregates()) {
    if (a.name == name) return &a;
    known.emplace_back(a.name);
  }
  return base::plan_error("no aggregate \"" + name + "\"" + base::suggest_name(name, known));
}

const Aggregate* known_aggregate(const std::string& name) {
  const auto found = find_aggregate(name);
  return found.ok() ? *found : nullptr;
}

// Of equal values one is enough for these.
bool minds_repetition(const std::string& name) {
  static constexpr std::string_view kBlind[] = {"all",    "any", "bit_and", "bit_or",          "max",
                                                "max_by", "min", "min_by",  "approx_n_unique", "n_unique"};
  return std::find(std::begin(kBlind), std::end(kBlind), name) == std::end(kBlind);
}

// Sort keys are looked at by these only.
bool takes_order(const std::string& name) {
  static constexpr std::string_view kTaking[] = {"first", "last", "implode", "string_agg", "product"};
  return std::find(std::begin(kTaking), std::end(kTaking), name) != std::end(kTaking);
}

arrow::Status check_options(const Node& aggregate) {
  const auto q = float_option(aggregate.options, "q");
  const bool quantile = aggregate.name == "quantile" || aggregate.name == "approx_quantile";
  if (quantile && (!q || !(*q >= 0 && *q <= 1))) return base::plan_error("q of " + aggregate.name + " is a number from 0 to 1");
  const std::string way = text_option(aggregate.options, "interpolation");
  static constexpr std::string_view kWays[] = {"", "linear", "lower", "higher", "nearest", "midpoint", "equiprobable"};
  if (std::find(std::begin(kWays), std::end(kWays), way) == std::end(kWays)) {
    return base::plan_error("no interpolation \"" + way + "\"", "linear, lower, higher, nearest, midpoint or equiprobable");
  }
  if (int_option(aggregate.options, "ddof", 1) < 0) return base::plan_error("ddof of " + aggregate.name + " must be 0 or more");
  return arrow::Status::OK();
}

arrow::Status bind_order(const Node& aggregate, const arrow::Schema& input, BoundAggregate* out) {
  const size_t values = value_arguments(aggregate);
  const int64_t descending = int_option(aggregate.options, "descending", 0), first = int_option(aggregate.options, "nulls_first", 0);
  for (size_t i = values; i < aggregate.args.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(BoundPtr key, bind(aggregate.args[i], input));
    if (!ordered(*key->type)) {
      return base::plan_error("cannot order by " + text(*aggregate.args[i]) + ": its type is " + column::type_text(*key->type));
    }
    if (out->distinct && takes_order(aggregate.name) && !equal(*aggregate.args[i], *aggregate.args[0])) {
      return base::plan_error("with distinct, " + aggregate.name + " is ordered by its argument only, not by " + text(*aggregate.args[i]));
    }
    if (takes_order(aggregate.name) && !(aggregate.name == "product" && column::is_integer(*out->type))) {
      out->order.push_back({std::move(key), (descending >> (i - values) & 1) != 0, (first >> (i - values) & 1) != 0});
    }
  }
  return arrow::Status::OK();
}

}  // namespace

std::vector<AggregateInfo> all_aggregates() {
  std::vector<AggregateInfo> out;
  for (const Aggregate& a : aggregates()) out.push_back({a.name, a.summary, a.example, a.sees_order, a.picks});
  return out;
}

bool aggregate_sees_order(const Node& aggregate) {
  const Aggregate* a = known_aggregate(aggregate.name);
  return a == nullptr || a->sees_order;
}

bool aggregate_picks_a_value(const Node& aggregate) {
  const Aggregate* a = known_aggregate(aggregate.name);
  return a != nullptr && a->picks;
}

arrow::Result<BoundAggregate> bind_aggregate(const NodePtr& aggregate, const arrow::Schema& input) {
  if (aggregate->kind == NodeKind::kAlias) return bind_aggregate(aggregate->args[0], input);
  if (aggregate->kind != NodeKind::kAggregate) return base::plan_error(text(*aggregate) + " is not an aggregate");
  ARROW_ASSIGN_OR_RAISE(const Aggregate* entry, find_aggregate(aggregate->name));
  BoundAggregate out;
  out.function = aggregate->name;
  out.options = aggregate->options;
  ARROW_RETURN_NOT_OK(check_options(*aggregate));
  const size_t given = value_arguments(*aggregate);
  const bool counts = aggregate->name == "count";
  if (counts ? given > 1 : given != entry->arguments.size()) {
    return wrong_count(aggregate->name, counts ? 1 : entry->arguments.size(), given);
  }
  out.distinct = flag_option(aggregate->options, "distinct") && minds_repetition(aggregate->name);
  if (out.distinct && given != 1) return base::plan_error("distinct is of one value: " + text(*aggregate));
  for (size_t i = 0; i < given; ++i) {
    ARROW_ASSIGN_OR_RAISE(BoundPtr x, bind(aggregate->args[i], input));
    TypePtr to = counts ? x->type : entry->arguments[i](x->type);
    if (to && (aggregate->name == "median" || aggregate->name == "quantile")) to = quantile_type(to, *aggregate);
    if (!to || (i == 0 && !entry->result(to, *aggregate))) {
      return base::plan_error(aggregate->name + " takes " + entry->takes + ", got " + column::type_text(*x->type) + " in " +
                              text(*aggregate));
    }
    ARROW_ASSIGN_OR_RAISE(x, bind_cast(std::move(x), to));
    out.args.push_back(std::move(x));
  }
  out.type = entry->result(out.args.empty() ? arrow::null() : out.args[0]->type, *aggregate);
  ARROW_RETURN_NOT_OK(bind_order(*aggregate, input, &out));
  if (aggregate->filter) {
    ARROW_ASSIGN_OR_RAISE(out.filter, bind(aggregate->filter, input));
    if (out.filter->type->id() != Type::BOOL) {
      return base::plan_error("a filter of an aggregate is a bool, " + text(*aggregate->filter) + " is " +
                              column::type_text(*out.filter->type));
    }
  }
  return out;
}

}  // namespace gristmill::expr
