// Text to values and back, one value at a time. Blanks around a value are allowed when reading.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include <arrow/type_fwd.h>

namespace gristmill::expr {

std::string_view trimmed(std::string_view s);

template <typename T>
bool parse_integer(std::string_view s, T& out) {
  s = trimmed(s);
  if (!s.empty() && s[0] == '+' && s.size() > 1 && s[1] != '-') s.remove_prefix(1);
  const auto end = std::from_chars(s.data(), s.data() + s.size(), out);
  return end.ec == std::errc() && end.ptr == s.data() + s.size() && !s.empty();
}

// Also nan, inf, infinity in any case, with a sign.
bool parse_float(std::string_view s, double& out);
bool parse_float(std::string_view s, float& out);
// true/false, t/f, yes/no, y/n, on/off, 1/0 in any case.
bool parse_bool(std::string_view s, bool& out);
// Digits beyond the scale are rounded half away from zero; an exponent is allowed.
bool parse_decimal(std::string_view s, int precision, int scale, __int128& out);
// 2024-02-29
bool parse_date(std::string_view s, int64_t& days);
// 2024-02-29, 2024-02-29 12:30[:15[.123456789]], with T or a blank between, and Z or an offset at the end. `units`: per second.
bool parse_timestamp(std::string_view s, int64_t units, int64_t& out);

// The shortest text that reads back as the same value; like 0.1, 1e+20, NaN, Infinity.
template <typename T>
std::string_view write_integer(T v, char* out, size_t room) {
  const auto end = std::to_chars(out, out + room, v);
  return {out, static_cast<size_t>(end.ptr - out)};
}
std::string_view write_float(double v, char* out);  // 32 bytes
std::string_view write_float(float v, char* out);
std::string_view write_decimal(__int128 v, int scale, char* out);  // 48 bytes
std::string_view write_date(int64_t days, char* out);              // 24 bytes
// `units` per second; trailing zeros of the fraction go; "+00" when zoned (the instant in UTC).
std::string_view write_timestamp(int64_t value, int64_t units, bool zoned, char* out);  // 48 bytes

// 1, 1000, 1000000, 1000000000
int64_t units_per_second(arrow::TimeUnit::type unit);

}  // namespace gristmill::expr
