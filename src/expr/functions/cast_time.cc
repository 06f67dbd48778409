// Casts between dates, timestamps, durations and their plain counts.
//
// A finer unit multiplies (leaving the range is an error), a coarser one rounds down; zones keep the instant. Integers are
// days of a date, units of a timestamp or duration.

#include <limits>

#include <arrow/type.h>

#include "expr/calendar.h"
#include "expr/functions/cast_kernels.h"
#include "expr/local_time.h"
#include "expr/parse_text.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::Column;

int64_t units_of(const arrow::DataType& t) {
  if (t.id() == Type::TIMESTAMP) return units_per_second(static_cast<const arrow::TimestampType&>(t).unit());
  return units_per_second(static_cast<const arrow::DurationType&>(t).unit());
}

arrow::Result<Column> retyped(const KernelCall& call) {
  auto data = std::make_shared<arrow::ArrayData>(*call.args[0].values);
  data->type = call.type;
  return Column::flat(std::move(data));
}

arrow::Result<Column> change_unit(const KernelCall& call) {
  const int64_t from = units_of(*cast_state(call).from), to = units_of(*cast_state(call).to);
  const int64_t* a = Argument<int64_t>(call.args[0]).values;
  if (to <= from) {
    const int64_t by = from / to;
    return map_one<int64_t, int64_t>(call, [by](int64_t v) { return floor_divide(v, by); });
  }
  const int64_t by = to / from;
  return cast_rows<int64_t>(call, [a, by](int64_t i, int64_t& out) { return !__builtin_mul_overflow(a[i], by, &out); });
}

// The local midnight's count; with a zone the day is taken as one of UTC.
arrow::Result<Column> date_to_timestamp(const KernelCall& call) {
  const int64_t by = units_of(*call.type) * 86400;
  const int32_t* a = Argument<int32_t>(call.args[0]).values;
  return cast_rows<int64_t>(call,
                            [a, by](int64_t i, int64_t& out) { return !__builtin_mul_overflow(static_cast<int64_t>(a[i]), by, &out); });
}

arrow::Result<Column> timestamp_to_date(const KernelCall& call) {
  const int64_t day = units_of(*cast_state(call).from) * 86400;
  ARROW_ASSIGN_OR_RAISE(auto local, local_times(call.args[0], call.rows, call.pool));
  const int64_t* a = Argument<int64_t>(local).values;
  return cast_rows<int32_t>(call, [a, day](int64_t i, int32_t& out) {
    const int64_t days = floor_divide(a[i], day);
    out = static_cast<int32_t>(days);
    return out == days;
  });
}

arrow::Result<Column> integer_to_days(const KernelCall& call) {
  return column::visit_number(column::physical_unchecked(*cast_state(call).from), [&]<typename T>() -> arrow::Result<Column> {
    const Stored<T>* a = Argument<T>(call.args[0]).values;
    return cast_rows<int32_t>(call, [a](int64_t i, int32_t& out) {
      out = static_cast<int32_t>(static_cast<T>(a[i]));
      return static_cast<T>(out) == static_cast<T>(a[i]) && (out < 0) == (static_cast<T>(a[i]) < T{0});
    });
  });
}

arrow::Result<Column> days_to_integer(const KernelCall& call) {
  return map_one<int32_t, int64_t>(call, [](int32_t v) GRISTMILL_INLINE { return static_cast<int64_t>(v); });
}

}  // namespace

Kernel time_cast(const arrow::DataType& from, const arrow::DataType& to, bool& fallible) {
  fallible = false;
  const bool from_units = from.id() == Type::TIMESTAMP || from.id() == Type::DURATION,
             to_units = to.id() == Type::TIMESTAMP || to.id() == Type::DURATION;
  if (from_units && from.id() == to.id()) {
    fallible = units_of(to) > units_of(from);
    return units_of(to) == units_of(from) ? retyped : change_unit;
  }
  if (from.id() == Type::INT64 && to_units) return retyped;
  if (from_units && to.id() == Type::INT64) return retyped;
  if (from.id() == Type::DATE32 && to.id() == Type::INT32) return retyped;
  if (from.id() == Type::INT32 && to.id() == Type::DATE32) return retyped;
  if (from.id() == Type::DATE32 && to.id() == Type::INT64) return days_to_integer;
  fallible = true;
  if (column::is_integer(from) && to.id() == Type::DATE32) return integer_to_days;
  if (from.id() == Type::DATE32 && to.id() == Type::TIMESTAMP) return date_to_timestamp;
  if (from.id() == Type::TIMESTAMP && to.id() == Type::DATE32) return timestamp_to_date;
  return nullptr;
}

}  // namespace gristmill::expr
