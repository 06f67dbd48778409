// The list of functions, and count.

#include "exec/aggregate_functions.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include <arrow/type.h>

#include "base/status.h"
#include "column/bits.h"
#include "column/buffers.h"
#include "exec/kept_rows.h"
#include "expr/aggregates.h"

namespace gristmill::exec {
namespace {

// count() counts rows, count(x) those where x is there.
class Count final : public AggregateFunction {
 public:
  int state_bytes() const override { return 8; }
  bool needs_values() const override { return false; }

  arrow::Status update(const UpdateSpan& span) const override {
    const auto bump = [&](int64_t k) {
      uint8_t* const p = span.rows[k] + state_;
      store<int64_t>(p, load<int64_t>(p) + 1);
    };
    if (span.values == nullptr) {
      for (int64_t k = 0; k < span.n; ++k) bump(k);
    } else if (span.values->type->id() != arrow::Type::NA) {
      for_valid(span, [&](int64_t k, int64_t) { bump(k); });
    }
    return arrow::Status::OK();
  }

  arrow::Status update_one(uint8_t* row, const UpdateSpan& span) const override {
    int64_t counted = span.n;
    if (span.values != nullptr) {
      const column::ValidityBits valid = column::validity_of(*span.values);
      if (span.values->type->id() == arrow::Type::NA) counted = 0;
      if (valid.bits) {
        counted = 0;
        for (int64_t at = 0; at < span.n; at += 64) {
          counted += std::popcount(column::read_bits(valid.bits, valid.offset + span.begin + at, std::min<int64_t>(64, span.n - at)));
        }
      }
    }
    store<int64_t>(row + state_, load<int64_t>(row + state_) + counted);
    return arrow::Status::OK();
  }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) {
      store<int64_t>(span.into[k] + state_, load<int64_t>(span.into[k] + state_) + load<int64_t>(span.from[k] + state_));
    }
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<arrow::ArrayData>> finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type,
                                                          arrow::MemoryPool* pool) const override {
    const auto n = static_cast<int64_t>(rows.size());
    ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_buffer(n * 8, pool));
    auto* out = reinterpret_cast<int64_t*>(data->mutable_data());
    for (int64_t i = 0; i < n; ++i) out[i] = load<int64_t>(rows[static_cast<size_t>(i)] + state_);
    return column::make_array(type, n, nullptr, 0, std::move(data));
  }
};

}  // namespace

arrow::Status AggregateFunction::update_one(uint8_t* row, const UpdateSpan& span) const {
  std::vector<uint8_t*> rows(static_cast<size_t>(span.n), row);
  UpdateSpan all = span;
  all.rows = rows.data();
  return update(all);
}

template <typename T>
column::ExactUnit SharedUnit::choose(const arrow::ArrayData& values) const {
  const std::lock_guard lock(mutex_);
  if (chosen_.load(std::memory_order_relaxed)) return unit_;
  const T* v = column::values_of<T>(values);
  const column::ValidityBits valid = column::validity_of(values);
  std::vector<double> sample;
  for (int64_t i = 0; i < values.length; ++i) {
    if (valid.valid(i) && std::isfinite(v[i]) && v[i] != 0) sample.push_back(static_cast<double>(v[i]));
  }
  // Zeros, NaN and infinities are the same in every unit.
  if (sample.empty()) return column::ExactUnit();
  unit_ = column::ExactUnit::choose(sample);
  chosen_.store(true, std::memory_order_release);
  return unit_;
}
template column::ExactUnit SharedUnit::choose<float>(const arrow::ArrayData&) const;
template column::ExactUnit SharedUnit::choose<double>(const arrow::ArrayData&) const;

AggregateFunctionPtr make_count(const expr::BoundAggregate&) { return std::make_unique<Count>(); }

namespace {

// Functions of the rows of a group together; null: it is not one.
std::unique_ptr<GroupFinisher> finisher_of(const expr::BoundAggregate& a) {
  if (a.function == "implode") return list_finisher();
  if (a.function == "string_agg") return join_finisher(expr::text_option(a.options, "separator"));
  if (a.function == "product" && column::is_float(*a.type)) return product_finisher();
  if ((a.function == "first" || a.function == "last") && !a.order.empty()) return edge_finisher(a.function == "last");
  return nullptr;
}

arrow::Result<AggregateFunctionPtr> make_distinct(const expr::BoundAggregate& a, bool exact_floats) {
  if (a.function == "count") return make_n_unique(a);
  if (std::unique_ptr<GroupFinisher> finisher = finisher_of(a))
    return make_distinct_values(a, a.function == "implode", std::move(finisher));
  expr::BoundAggregate plain = a;
  plain.distinct = false;
  const bool mean = a.function == "mean";
  ARROW_ASSIGN_OR_RAISE(AggregateFunctionPtr function, make_function(plain, mean, exact_floats));
  ARROW_ASSIGN_OR_RAISE(auto finisher, function_finisher(std::move(function), mean));
  // Of these the first or last row's NULL would be the value.
  return make_distinct_values(a, a.function == "first" || a.function == "last", std::move(finisher));
}

}  // namespace

arrow::Result<AggregateFunctionPtr> make_function(const expr::BoundAggregate& a, bool mean, bool exact_floats) {
  const std::string& f = a.function;
  if (a.distinct) return make_distinct(a, exact_floats);
  if (f == "count" && a.args.size() <= 1) return make_count(a);
  if (f == "cov" || f == "corr" || f == "regr_slope" || f == "regr_intercept") return make_pairs(a);
  if (f == "min_by" || f == "max_by") return make_extreme_by(a, f == "max_by");
  if (a.args.size() != 1) return base::plan_error("the aggregate " + f + " takes one argument");
  if (std::unique_ptr<GroupFinisher> finisher = finisher_of(a)) {
    return make_kept_rows(a, f == "string_agg" || f == "product", std::move(finisher));
  }
  if (f == "sum" || f == "mean") return make_sum(a, mean, exact_floats);
  if (f == "min" || f == "max" || f == "all" || f == "any") return make_extreme(a, f == "max" || f == "any");
  if (f == "first" || f == "last") return make_edge(a, f == "last");
  if (f == "var" || f == "std") return make_variance(a, f == "std");
  if (f == "skew" || f == "kurtosis") return make_powers(a);
  if (f == "bit_and" || f == "bit_or" || f == "bit_xor") return make_bits(a);
  if (f == "product") return make_integer_product(a);
  if (f == "n_unique") return make_n_unique(a);
  if (f == "mode") return make_mode(a);
  if (f == "median" || f == "quantile") return make_quantile(a);
  if (f == "approx_n_unique") return make_approx_n_unique();
  if (f == "approx_quantile" || f == "approx_median") return make_approx_quantile(a);
  return base::plan_error("unknown aggregate function \"" + f + "\"");
}

}  // namespace gristmill::exec
