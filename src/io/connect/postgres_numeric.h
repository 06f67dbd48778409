// PostgreSQL's numeric as it travels: groups of four decimal digits, a weight, a sign, a scale.
//
// Exact in both directions; a double is written as the server itself casts it: its 15 significant digits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gristmill::io {

// What a numeric is that is no number.
enum class NumericForm : uint8_t { kNumber, kNan, kInfinity, kNegativeInfinity, kBroken };
NumericForm numeric_form(std::string_view wire);

// value = out / 10^scale. False when it has more digits than that behind the point, or more than `precision` in all.
bool numeric_to_decimal(std::string_view wire, int precision, int scale, __int128* out);
void append_numeric_text(std::string_view wire, std::string& out);  // as the server prints it

// Appends the length word and the value; digits * 10^-scale.
void append_numeric(bool negative, std::string_view digits, int scale, std::string& out);
void append_numeric(__int128 unscaled, int scale, std::string& out);
void append_numeric(NumericForm form, std::string& out);
// Finite only.
void append_numeric(double value, std::string& out);

// Decimal digits before the point (0 for |v| < 1).
int integer_digits(__int128 unscaled, int scale);
int integer_digits(double finite);  // of its 15 significant digits

std::string digits_of(unsigned __int128 v);

}  // namespace gristmill::io
