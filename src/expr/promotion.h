// Which type two values meet in (semantics.md 4).
//
// Integers take the wider type (int64 with uint64: decimal(20,0)), an integer or decimal with a float is float64, two
// float32 stay float32; decimals keep every digit up to 38, then the scale; times take the finer unit; NULL takes the other's.
// An untyped literal takes the narrowest type that holds its value beside the other side.
#pragma once

#include <span>
#include <string_view>

#include <arrow/result.h>

#include "column/types.h"
#include "expr/registry.h"

namespace gristmill::expr {

inline constexpr int kMaxDigits = 38;

// nullptr where there is none.
column::TypePtr common_type(const column::TypePtr& a, const column::TypePtr& b);
// Of all arguments, literals adapting to the others. `exact_literals`: a float literal joins float32 columns only if it
// is exact there (comparisons). A plan error naming `what` where there is none.
arrow::Result<column::TypePtr> common_type_of(std::span<const ArgumentInfo> args, bool exact_literals, std::string_view what);
// The type an untyped literal takes beside a value of type `other`.
column::TypePtr literal_type_beside(const ArgumentInfo& literal, const column::TypePtr& other, bool exact);

int decimal_precision(const arrow::DataType& t);
int decimal_scale(const arrow::DataType& t);
// Digits an integer type needs: int64 19, uint64 20.
int integer_digits(const arrow::DataType& t);
// decimal(p, s) with p cut to 38 digits.
column::TypePtr capped_decimal(int precision, int scale);
// The decimal that holds every value of an integer type; decimals as they are.
column::TypePtr as_decimal(const column::TypePtr& t);

// "add takes numbers, got string and int64"
arrow::Status bad_arguments(std::string_view function, std::string_view takes, std::span<const ArgumentInfo> args);
arrow::Status wrong_count(std::string_view function, size_t want, size_t got);

}  // namespace gristmill::expr
