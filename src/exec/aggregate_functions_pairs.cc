// cov, corr, regr_slope and regr_intercept from exact sums of x, y and their products, one rounding: rows count where both values are
// there. The moments of a group lie in its table, as those of var do; the row holds their number until seal() writes the value.

#include <arrow/type.h>

#include "column/buffers.h"
#include "exec/moments_function.h"
#include "expr/aggregates.h"

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using column::GroupPairs;

enum class PairOutcome : uint8_t { kCovariance, kCorrelation, kSlope, kIntercept };

class Pairs final : public MomentsFunction<PairMoments> {
 public:
  Pairs(PairOutcome what, int ddof) : what_(what), ddof_(ddof) {}

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

 private:
  std::optional<double> value_of(const GroupPairs& moments, uint32_t g) const override {
    switch (what_) {
      case PairOutcome::kCovariance: return moments.covariance(g, 0, 1, ddof_);
      case PairOutcome::kCorrelation: return moments.correlation(g);
      case PairOutcome::kSlope: return moments.slope(g);
      case PairOutcome::kIntercept: return moments.intercept(g);
    }
    return std::nullopt;
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
