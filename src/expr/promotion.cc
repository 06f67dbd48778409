#include "expr/promotion.h"

#include <algorithm>
#include <cmath>

#include <arrow/scalar.h>
#include <arrow/type.h>

#include "base/status.h"
#include "expr/scalar_value.h"

namespace gristmill::expr {
namespace {

using arrow::Type;
using column::TypePtr;

int bits_of(const arrow::DataType& t) { return static_cast<const arrow::FixedWidthType&>(t).bit_width(); }

TypePtr signed_of(int bits) {
  return bits <= 8 ? arrow::int8() : bits <= 16 ? arrow::int16() : bits <= 32 ? arrow::int32() : bits <= 64 ? arrow::int64() : nullptr;
}

TypePtr common_integer(const TypePtr& a, const TypePtr& b) {
  const bool as = column::is_signed_integer(*a), bs = column::is_signed_integer(*b);
  if (as == bs) return bits_of(*a) >= bits_of(*b) ? a : b;
  const int s = as ? bits_of(*a) : bits_of(*b), u = as ? bits_of(*b) : bits_of(*a);
  const TypePtr t = signed_of(std::max(s, 2 * u));
  return t ? t : arrow::decimal128(20, 0);
}

TypePtr common_decimal(const TypePtr& a, const TypePtr& b) {
  const int sa = decimal_scale(*a), sb = decimal_scale(*b), scale = std::max(sa, sb);
  return capped_decimal(std::max(decimal_precision(*a) - sa, decimal_precision(*b) - sb) + scale, scale);
}

TypePtr common_number(const TypePtr& a, const TypePtr& b) {
  if (column::is_float(*a) || column::is_float(*b)) {
    return a->id() == Type::FLOAT && b->id() == Type::FLOAT ? a : arrow::float64();
  }
  if (column::is_integer(*a) && column::is_integer(*b)) return common_integer(a, b);
  return common_decimal(as_decimal(a), as_decimal(b));
}

TypePtr common_time(const TypePtr& a, const TypePtr& b) {
  if (a->id() == Type::DURATION && b->id() == Type::DURATION) {
    const auto ua = static_cast<const arrow::DurationType&>(*a).unit(), ub = static_cast<const arrow::DurationType&>(*b).unit();
    return ua >= ub ? a : b;
  }
  const bool at = a->id() == Type::TIMESTAMP, bt = b->id() == Type::TIMESTAMP;
  if (at && bt) {
    const auto& x = static_cast<const arrow::TimestampType&>(*a);
    const auto& y = static_cast<const arrow::TimestampType&>(*b);
    return arrow::timestamp(std::max(x.unit(), y.unit()), x.timezone().empty() ? y.timezone() : x.timezone());
  }
  if (at && b->id() == Type::DATE32) return a;
  if (bt && a->id() == Type::DATE32) return b;
  return nullptr;
}

TypePtr narrowest_integer(const ArgumentInfo& literal, const TypePtr& other) {
  const __int128 v = *integer_value(*literal.constant);
  if (column::is_integer(*other)) {
    if (fits_integer(v, *other)) return other;
    for (const TypePtr& t : {arrow::int8(), arrow::int16(), arrow::int32(), arrow::int64()}) {
      if (fits_integer(v, *t)) return t;
    }
    return literal.type;
  }
  if (other->id() == Type::FLOAT) return v >= -(1 << 24) && v <= (1 << 24) ? other : arrow::float64();
  if (other->id() == Type::DOUBLE) return other;
  int digits = 1;
  for (__int128 rest = v / 10; rest != 0; rest /= 10) ++digits;
  return column::is_decimal(*other) ? arrow::decimal128(std::min(digits, kMaxDigits), 0) : literal.type;
}

bool text_reads_as(const arrow::DataType& t) {
  return column::is_numeric(t) || t.id() == Type::BOOL || t.id() == Type::DATE32 || t.id() == Type::TIMESTAMP ||
         t.id() == Type::BINARY_VIEW;
}

}  // namespace

int decimal_precision(const arrow::DataType& t) { return static_cast<const arrow::DecimalType&>(t).precision(); }
int decimal_scale(const arrow::DataType& t) { return static_cast<const arrow::DecimalType&>(t).scale(); }

int integer_digits(const arrow::DataType& t) {
  const int bits = bits_of(t);
  return bits == 8 ? 3 : bits == 16 ? 5 : bits == 32 ? 10 : column::is_signed_integer(t) ? 19 : 20;
}

TypePtr capped_decimal(int precision, int scale) { return arrow::decimal128(std::min(precision, kMaxDigits), std::min(scale, kMaxDigits)); }
TypePtr as_decimal(const TypePtr& t) { return column::is_integer(*t) ? arrow::decimal128(integer_digits(*t), 0) : t; }

TypePtr common_type(const TypePtr& a, const TypePtr& b) {
  if (a->Equals(*b)) return a;
  if (a->id() == Type::NA) return b;
  if (b->id() == Type::NA) return a;
  if (column::is_numeric(*a) && column::is_numeric(*b)) return common_number(a, b);
  return common_time(a, b);
}

TypePtr literal_type_beside(const ArgumentInfo& literal, const TypePtr& other, bool exact) {
  const arrow::Scalar& v = *literal.constant;
  if (literal.type->id() == Type::NA || !v.is_valid) return other;
  if (column::is_integer(*literal.type)) return column::is_numeric(*other) ? narrowest_integer(literal, other) : literal.type;
  if (literal.type->id() == Type::DOUBLE && other->id() == Type::FLOAT) {
    const double d = static_cast<const arrow::DoubleScalar&>(v).value;
    return !exact || d != d || static_cast<double>(static_cast<float>(d)) == d ? other : literal.type;
  }
  if (column::is_decimal(*literal.type) && other->id() == Type::FLOAT) return exact ? arrow::float64() : other;
  if (column::is_text(*literal.type) && text_reads_as(*other)) return other;
  return literal.type;
}

arrow::Result<TypePtr> common_type_of(std::span<const ArgumentInfo> args, bool exact_literals, std::string_view what) {
  TypePtr type = arrow::null();
  for (const ArgumentInfo& a : args) {
    if (a.untyped_literal) continue;
    TypePtr next = common_type(type, a.type);
    if (!next) return bad_arguments(what, "values of one kind", args);
    type = std::move(next);
  }
  for (const ArgumentInfo& a : args) {
    if (!a.untyped_literal) continue;
    TypePtr next = common_type(type, type->id() == Type::NA ? a.type : literal_type_beside(a, type, exact_literals));
    if (!next) return bad_arguments(what, "values of one kind", args);
    type = std::move(next);
  }
  return type;
}

arrow::Status bad_arguments(std::string_view function, std::string_view takes, std::span<const ArgumentInfo> args) {
  std::string got;
  for (size_t i = 0; i < args.size(); ++i) {
    got += (i == 0 ? "" : i + 1 == args.size() ? " and " : ", ") + column::type_text(*args[i].type);
  }
  return base::plan_error(std::string(function) + " takes " + std::string(takes) + ", got " + (got.empty() ? "nothing" : got));
}

arrow::Status wrong_count(std::string_view function, size_t want, size_t got) {
  return base::plan_error(std::string(function) + " takes " + std::to_string(want) + (want == 1 ? " argument" : " arguments") + ", got " +
                          std::to_string(got));
}

}  // namespace gristmill::expr
