#include "expr/scalar_value.h"

#include <limits>

#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>

#include "column/types.h"

namespace gristmill::expr {

using arrow::Type;

std::optional<__int128> integer_value(const arrow::Scalar& s) {
  if (!s.is_valid) return std::nullopt;
  switch (s.type->id()) {
    case Type::INT8: return static_cast<const arrow::Int8Scalar&>(s).value;
    case Type::INT16: return static_cast<const arrow::Int16Scalar&>(s).value;
    case Type::INT32: return static_cast<const arrow::Int32Scalar&>(s).value;
    case Type::INT64: return static_cast<const arrow::Int64Scalar&>(s).value;
    case Type::UINT8: return static_cast<const arrow::UInt8Scalar&>(s).value;
    case Type::UINT16: return static_cast<const arrow::UInt16Scalar&>(s).value;
    case Type::UINT32: return static_cast<const arrow::UInt32Scalar&>(s).value;
    case Type::UINT64: return static_cast<const arrow::UInt64Scalar&>(s).value;
    case Type::DATE32: return static_cast<const arrow::Date32Scalar&>(s).value;
    case Type::TIME32: return static_cast<const arrow::Time32Scalar&>(s).value;
    case Type::TIME64: return static_cast<const arrow::Time64Scalar&>(s).value;
    case Type::TIMESTAMP: return static_cast<const arrow::TimestampScalar&>(s).value;
    case Type::DURATION: return static_cast<const arrow::DurationScalar&>(s).value;
    case Type::DECIMAL128: {
      const arrow::Decimal128& d = static_cast<const arrow::Decimal128Scalar&>(s).value;
      return static_cast<__int128>((static_cast<unsigned __int128>(static_cast<uint64_t>(d.high_bits())) << 64) | d.low_bits());
    }
    default: return std::nullopt;
  }
}

bool fits_integer(__int128 v, const arrow::DataType& t) {
  const int bits = static_cast<const arrow::FixedWidthType&>(t).bit_width();
  if (column::is_signed_integer(t)) return v >= -(static_cast<__int128>(1) << (bits - 1)) && v < static_cast<__int128>(1) << (bits - 1);
  return v >= 0 && v < static_cast<__int128>(1) << bits;
}

std::optional<std::string> text_value(const arrow::Scalar& s) {
  if (!s.is_valid || !arrow::is_base_binary_like(s.type->id())) {
    if (!s.is_valid || !column::is_viewed(*s.type)) return std::nullopt;
  }
  return std::string(static_cast<const arrow::BaseBinaryScalar&>(s).view());
}

std::optional<double> float_value(const arrow::Scalar& s) {
  if (!s.is_valid) return std::nullopt;
  if (s.type->id() == Type::FLOAT) return static_cast<const arrow::FloatScalar&>(s).value;
  if (s.type->id() == Type::DOUBLE) return static_cast<const arrow::DoubleScalar&>(s).value;
  if (s.type->id() == Type::DECIMAL128) {
    return static_cast<const arrow::Decimal128Scalar&>(s).value.ToDouble(static_cast<const arrow::DecimalType&>(*s.type).scale());
  }
  if (const auto i = integer_value(s)) return static_cast<double>(*i);
  return std::nullopt;
}

}  // namespace gristmill::expr
