// The shortest decimal that reads back as the same float; of several that short the closest, of two as close the even one. These are the
// digits std::to_chars gives; numbers of few digits take half its time.
#pragma once

#include <cstdint>

namespace gristmill::column {

// digits * 10^exponent; at most 17 digits, possibly with zeros at their end.
struct FloatDigits {
  uint64_t digits;
  int exponent;
};

FloatDigits shortest_decimal(double positive);  // finite and above 0
FloatDigits shortest_decimal(float positive);

// How digits become text: plain ("0.001", "120") where the power of ten of the first digit lies between the two, else like "1.2e+20".
struct FloatForm {
  int least_plain;
  int most_plain;    // at most 15
  bool keeps_point;  // "120.0"
};

inline constexpr int kFloatRoom = 40;  // bytes that write_float() may touch; the text has at most 25

// Finite values, with their sign. The end of the text.
char* write_float(double v, const FloatForm& form, char* out);
char* write_float(float v, const FloatForm& form, char* out);

}  // namespace gristmill::column
