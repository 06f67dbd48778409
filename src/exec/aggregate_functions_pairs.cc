// cov, corr, regr_slope and regr_intercept from exact sums of x, y and their products, one rounding: rows count where both values are
// there. The moments of a group lie in its table, as those of var do; the row holds their number until seal() writes the value.

#include <arrow/type.h>

#include "column/buffers.h"
#include "exec/aggregate_functions.h"
#include "exec/group_values.h"
#include "expr/aggregates.h"

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using column::GroupPairs;

enum class PairOutcome : uint8_t { kCovariance, kCorrelation, kSlope, kIntercept };

// State: number of the moments + 1, 4 of 8 bytes; after seal() the value 8. Flag byte after seal(): there is a value.
class Pairs final : public AggregateFunction {
 public:
  Pairs(PairOutcome what, int ddof) : what_(what), ddof_(ddof) {}
  int state_bytes() const override { return 8; }
  bool has_flag() const override { return true; }

  arrow::Status update(const UpdateSpan& span) const override {
    // regr_slope(y, x): variable 0 is x.
    const bool swapped = what_ == PairOutcome::kSlope || what_ == PairOutcome::kIntercept;
    const ArrayData& a = *span.values->child_data[swapped ? 1 : 0];
    const ArrayData& b = *span.values->child_data[swapped ? 0 : 1];
    const column::ValidityBits a_valid = column::validity_of(a), b_valid = column::validity_of(b);
    const double* const x = column::values_of<double>(a);
    const double* const y = column::values_of<double>(b);
    const GroupPairs::Units units = {x_unit_.get<double>(a), y_unit_.get<double>(b)};
    for (int64_t k = 0; k < span.n; ++k) {
      const int64_t i = span.begin + k;
      if (!a_valid.valid(i) || !b_valid.valid(i)) continue;
      GroupPairs& moments = span.tables->owner(span.rows[k]).pairs(number_, units);
      moments.add_one(group(span.rows[k], moments), {x[i], y[i]});
    }
    return arrow::Status::OK();
  }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) {
      const auto from = load<uint32_t>(span.from[k] + state_);
      if (from == 0) continue;
      const GroupPairs& other = *span.from_table.find_pairs(number_);
      GroupPairs& moments = span.into_table.pairs(number_, other.units());
      moments.merge_group(group(span.into[k], moments), other, from - 1);
    }
    return arrow::Status::OK();
  }

  arrow::Status seal(uint8_t* const* rows, int64_t n, GroupTable& table, arrow::MemoryPool*) const override {
    const GroupPairs* moments = table.find_pairs(number_);
    for (int64_t k = 0; k < n; ++k) {
      const auto g = load<uint32_t>(rows[k] + state_);
      const std::optional<double> value = g == 0 ? std::nullopt : value_of(*moments, g - 1);
      rows[k][flag_] = value.has_value();
      store<double>(rows[k] + state_, value.value_or(0));
    }
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<ArrayData>> finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type,
                                                   arrow::MemoryPool* pool) const override {
    return fixed_values<double>(rows, type, pool, state_, flag_);
  }

 private:
  void refer(RowLayout* layout) const override { layout->references.push_back({RowReference::kPairs, state_, number_}); }

  std::optional<double> value_of(const GroupPairs& moments, uint32_t g) const {
    switch (what_) {
      case PairOutcome::kCovariance: return moments.covariance(g, 0, 1, ddof_);
      case PairOutcome::kCorrelation: return moments.correlation(g);
      case PairOutcome::kSlope: return moments.slope(g);
      case PairOutcome::kIntercept: return moments.intercept(g);
    }
    return std::nullopt;
  }

  uint32_t group(uint8_t* row, GroupPairs& moments) const {
    const auto g = load<uint32_t>(row + state_);
    if (g != 0) return g - 1;
    const auto made = static_cast<uint32_t>(moments.size());
    moments.resize(made + 1);
    store<uint32_t>(row + state_, made + 1);
    return made;
  }

  SharedUnit x_unit_, y_unit_;
  PairOutcome what_;
  int ddof_;
};

}  // namespace

AggregateFunctionPtr make_pairs(const expr::BoundAggregate& a) {
  const PairOutcome what = a.function == "cov"          ? PairOutcome::kCovariance
                           : a.function == "corr"       ? PairOutcome::kCorrelation
                           : a.function == "regr_slope" ? PairOutcome::kSlope
                                                        : PairOutcome::kIntercept;
  return std::make_unique<Pairs>(what, static_cast<int>(expr::int_option(a.options, "ddof", 1)));
}

}  // namespace gristmill::exec
