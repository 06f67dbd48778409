// skew and kurtosis from exact sums of powers, each rounded once.
//
// The sums of a group lie in its table; the row holds their number until seal() writes the value into the row.

#include <arrow/type.h>

#include "column/buffers.h"
#include "exec/moments_function.h"
#include "expr/aggregates.h"

namespace gristmill::exec {
namespace {

using column::GroupPowers;

class PowersFunction final : public MomentsFunction<PowerMoments> {
 public:
  PowersFunction(bool fourth, bool pearson, bool unbiased) : fourth_(fourth), pearson_(pearson), unbiased_(unbiased) {}

  arrow::Status update(const UpdateSpan& span) const override {
    const auto* v = reinterpret_cast<const uint8_t*>(column::values_of<double>(*span.values));
    const GroupPowers::Units units = {unit_.get<double>(*span.values)};
    for_valid(span, [&](int64_t k, int64_t i) {
      GroupPowers& powers = span.tables->owner(span.rows[k]).powers(number_, units);
      powers.add_one(group(span.rows[k], powers), load<double>(v + i * 8));
    });
    return arrow::Status::OK();
  }

 private:
  std::optional<double> value_of(const GroupPowers& powers, uint32_t g) const override {
    return fourth_ ? powers.kurtosis(g, pearson_, unbiased_) : powers.skewness(g, unbiased_);
  }

  SharedUnit unit_;
  bool fourth_, pearson_, unbiased_;
};

}  // namespace

AggregateFunctionPtr make_powers(const expr::BoundAggregate& a) {
  return std::make_unique<PowersFunction>(a.function == "kurtosis", expr::flag_option(a.options, "pearson"),
                                          expr::flag_option(a.options, "unbiased"));
}

}  // namespace gristmill::exec
