// Plain C++ values out of scalars of canonical types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <arrow/type_fwd.h>

namespace gristmill::expr {

// The integer of an integer, decimal (unscaled), date, time, timestamp or duration scalar that is not null.
std::optional<__int128> integer_value(const arrow::Scalar& s);
// Whether `v` is a value of the integer type.
bool fits_integer(__int128 v, const arrow::DataType& t);
// The text of a string or binary scalar that is not null.
std::optional<std::string> text_value(const arrow::Scalar& s);
// Any number that is not null, decimals by value.
std::optional<double> float_value(const arrow::Scalar& s);

}  // namespace gristmill::expr
