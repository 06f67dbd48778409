// var and std from exact moments: the exact rational n*Sxx - Sx*Sx over n*(n - ddof), rounded once.
//
// The moments of a group lie in its table; the row holds their number until seal() writes the value into the row.

#include <cmath>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "exec/moments_function.h"

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using column::GroupVariances;

class Variance final : public MomentsFunction<VarianceMoments> {
 public:
  Variance(bool root, int ddof) : root_(root), ddof_(ddof) {}

  arrow::Status update(const UpdateSpan& span) const override {
    const auto* v = reinterpret_cast<const uint8_t*>(column::values_of<double>(*span.values));
    const GroupVariances::Units units = units_of(*span.values);
    for_valid(span, [&](int64_t k, int64_t i) {
      GroupVariances& moments = span.tables->owner(span.rows[k]).moments(number_, units);
      moments.add_one(group(span.rows[k], moments), {load<double>(v + i * 8)});
    });
    return arrow::Status::OK();
  }

 private:
  std::optional<double> value_of(const GroupVariances& moments, uint32_t g) const override {
    return root_ ? moments.stddev(g, ddof_) : moments.variance(g, ddof_);
  }

  GroupVariances::Units units_of(const ArrayData& values) const { return {unit_.get<double>(values)}; }

  SharedUnit unit_;
  bool root_;
  int ddof_;
};

}  // namespace

arrow::Result<AggregateFunctionPtr> make_variance(const expr::BoundAggregate& a, bool root) {
  int ddof = 1;
  for (const auto& option : a.options) {
    if (option.name != "ddof") continue;
    ARROW_ASSIGN_OR_RAISE(const auto cast, option.value->CastTo(arrow::int32()));
    ddof = static_cast<const arrow::Int32Scalar&>(*cast).value;
    if (!cast->is_valid || ddof < 0) return base::plan_error("ddof of " + a.function + " must be 0 or more");
  }
  return std::make_unique<Variance>(root, ddof);
}

}  // namespace gristmill::exec
