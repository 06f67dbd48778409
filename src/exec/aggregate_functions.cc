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

arrow::Result<AggregateFunctionPtr> make_function(const expr::BoundAggregate& a, bool mean, bool exact_floats) {
  if (a.function == "count" && a.args.size() <= 1) return make_count(a);
  if (a.args.size() != 1) return base::plan_error("the aggregate " + a.function + " takes one argument");
  if (a.function == "sum" || a.function == "mean") return make_sum(a, mean, exact_floats);
  if (a.function == "min" || a.function == "max") return make_extreme(a, a.function == "max");
  if (a.function == "first" || a.function == "last") return make_edge(a, a.function == "last");
  if (a.function == "var" || a.function == "std") return make_variance(a, a.function == "std");
  return base::plan_error("unknown aggregate function \"" + a.function + "\"", "known: count, sum, mean, min, max, first, last, var, std");
}

}  // namespace gristmill::exec
