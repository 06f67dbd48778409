// var and std from exact moments: the exact rational n*Sxx - Sx*Sx over n*(n - ddof), rounded once.
//
// The moments of a group lie in its table; the row holds their number until seal() writes the value into the row.

#include <cmath>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "column/buffers.h"
#include "exec/aggregate_functions.h"
#include "exec/group_values.h"

namespace gristmill::exec {
namespace {

using arrow::ArrayData;
using column::GroupVariances;

// State: number of the moments + 1, 4 of 8 bytes; after seal() the value 8. Flag byte after seal(): there is a value.
class Variance final : public AggregateFunction {
 public:
  Variance(bool root, int ddof) : root_(root), ddof_(ddof) {}
  int state_bytes() const override { return 8; }
  bool has_flag() const override { return true; }

  arrow::Status update(const UpdateSpan& span) const override {
    const auto* v = reinterpret_cast<const uint8_t*>(column::values_of<double>(*span.values));
    const GroupVariances::Units units = units_of(*span.values);
    for_valid(span, [&](int64_t k, int64_t i) {
      GroupVariances& moments = span.tables->owner(span.rows[k]).moments(number_, units);
      moments.add_one(group(span.rows[k], moments), {load<double>(v + i * 8)});
    });
    return arrow::Status::OK();
  }

  arrow::Status merge(const MergeSpan& span) const override {
    for (int64_t k = 0; k < span.n; ++k) {
      const auto from = load<uint32_t>(span.from[k] + state_);
      if (from == 0) continue;
      const GroupVariances& other = *span.from_table.find_moments(number_);
      GroupVariances& moments = span.into_table.moments(number_, other.units());
      moments.merge_group(group(span.into[k], moments), other, from - 1);
    }
    return arrow::Status::OK();
  }

  arrow::Status seal(uint8_t* const* rows, int64_t n, GroupTable& table, arrow::MemoryPool*) const override {
    const GroupVariances* moments = table.find_moments(number_);
    for (int64_t k = 0; k < n; ++k) {
      const auto g = load<uint32_t>(rows[k] + state_);
      std::optional<double> value;
      if (g != 0) value = root_ ? moments->stddev(g - 1, ddof_) : moments->variance(g - 1, ddof_);
      rows[k][flag_] = value.has_value();
      store<double>(rows[k] + state_, value.value_or(0));
    }
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<ArrayData>> finish(std::span<const uint8_t* const> rows, Outcome, const column::TypePtr& type,
                                                   arrow::MemoryPool* pool) const override {
    const auto n = static_cast<int64_t>(rows.size());
    ARROW_ASSIGN_OR_RAISE(Validity validity, Validity::make(n, pool));
    ARROW_ASSIGN_OR_RAISE(auto data, column::allocate_buffer(n * 8, pool));
    for (int64_t i = 0; i < n; ++i) {
      const uint8_t* const row = rows[static_cast<size_t>(i)];
      store<double>(data->mutable_data() + i * 8, load<double>(row + state_));
      if (!row[flag_]) validity.set_null(i);
    }
    const int64_t nulls = validity.nulls();
    return column::make_array(type, n, std::move(validity).take(), nulls, std::move(data));
  }

 private:
  void refer(RowLayout* layout) const override { layout->references.push_back({RowReference::kMoments, state_, number_}); }

  uint32_t group(uint8_t* row, GroupVariances& moments) const {
    const auto g = load<uint32_t>(row + state_);
    if (g != 0) return g - 1;
    const auto made = static_cast<uint32_t>(moments.size());
    moments.resize(made + 1);
    store<uint32_t>(row + state_, made + 1);
    return made;
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
