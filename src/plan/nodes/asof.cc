// The key of an as-of join: a type with distances, and the tolerance in its units.

#include <cmath>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "expr/bind.h"
#include "expr/scalar_value.h"
#include "plan/nodes/join_columns.h"

namespace gristmill::plan {
namespace {

using arrow::Type;
using expr::NodePtr;

bool is_time(const arrow::DataType& t) {
  switch (t.id()) {
    case Type::DATE32:
    case Type::DATE64:
    case Type::TIME32:
    case Type::TIME64:
    case Type::TIMESTAMP:
    case Type::DURATION: return true;
    default: return false;
  }
}

int64_t per_second(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND: return 1;
    case arrow::TimeUnit::MILLI: return 1'000;
    case arrow::TimeUnit::MICRO: return 1'000'000;
    case arrow::TimeUnit::NANO: return 1'000'000'000;
  }
  return 1;
}

// Units of the type in a second, or seconds in its unit.
struct Units {
  int64_t per_second = 1, seconds = 1;
};
Units units_of(const arrow::DataType& t) {
  switch (t.id()) {
    case Type::DATE32: return {1, 86'400};
    case Type::DATE64: return {1'000, 1};
    case Type::TIME32: return {per_second(static_cast<const arrow::Time32Type&>(t).unit()), 1};
    case Type::TIME64: return {per_second(static_cast<const arrow::Time64Type&>(t).unit()), 1};
    case Type::TIMESTAMP: return {per_second(static_cast<const arrow::TimestampType&>(t).unit()), 1};
    case Type::DURATION: return {per_second(static_cast<const arrow::DurationType&>(t).unit()), 1};
    default: return {};
  }
}

arrow::Status wrong(const expr::Node& tolerance, const std::string& wanted) {
  return base::plan_error("the tolerance of this as-of join must be " + wanted + ", not " + expr::text(tolerance));
}

// Distances are whole numbers of units, so what is finer than a unit is cut off.
arrow::Result<NodePtr> settle_tolerance(const expr::Node& tolerance, const arrow::DataType& key) {
  const bool time = is_time(key), number = column::is_float(key);
  const std::string wanted = time ? "a duration that is not negative" : number ? "a number that is not negative" : "a whole number that is not negative";
  if (tolerance.kind != expr::NodeKind::kLiteral || !tolerance.value->is_valid) return wrong(tolerance, wanted);
  const arrow::Scalar& value = *tolerance.value;
  if (number) {
    const auto v = expr::float_value(value);
    if (!v || std::isnan(*v) || *v < 0) return wrong(tolerance, wanted);
    return expr::literal(std::make_shared<arrow::DoubleScalar>(*v), false);
  }
  const bool duration = value.type->id() == Type::DURATION;
  if (duration ? !time : !column::is_integer(*value.type)) return wrong(tolerance, wanted);
  __int128 v = *expr::integer_value(value);
  if (v < 0) return wrong(tolerance, wanted);
  if (duration) v = v * units_of(key).per_second / (static_cast<__int128>(units_of(*value.type).per_second) * units_of(key).seconds);
  if (v > INT64_MAX) v = INT64_MAX;
  return expr::literal(std::make_shared<arrow::Int64Scalar>(static_cast<int64_t>(v)), false);
}

}  // namespace

arrow::Status settle_asof(const Plan& left, const Plan& right, AsofMatch& match) {
  ARROW_RETURN_NOT_OK(unify_keys(left, right, match.left_on, match.right_on));
  ARROW_ASSIGN_OR_RAISE(const auto type, expr::type_of(match.left_on, *left.schema));
  if (!column::is_integer(*type) && !column::is_float(*type) && !is_time(*type)) {
    return base::plan_error("an as-of join needs numbers or times to be near, not " + expr::text(*match.left_on) + " (" +
                                column::type_text(*type) + ")",
                            column::is_decimal(*type) ? "cast both sides to float64 or int64" : "");
  }
  if (match.tolerance) {
    ARROW_ASSIGN_OR_RAISE(match.tolerance, settle_tolerance(*match.tolerance, *type));
  }
  return arrow::Status::OK();
}

}  // namespace gristmill::plan
