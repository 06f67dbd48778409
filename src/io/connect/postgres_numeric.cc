// Digit groups to numbers and back.

#include "io/connect/postgres_numeric.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "io/connect/wire.h"

namespace gristmill::io {
namespace {

constexpr uint16_t kPositive = 0x0000, kNegative = 0x4000, kNan = 0xC000, kInfinity = 0xD000, kNegativeInfinity = 0xF000;
constexpr int kHeader = 8;
constexpr int kPowers[] = {1, 10, 100, 1000, 10000};

struct Header {
  int groups, weight;
  uint16_t sign;
  int scale;
};

Header header_of(std::string_view w) {
  return {read_i16(w.data()), read_i16(w.data() + 2), static_cast<uint16_t>(read_i16(w.data() + 4)), read_i16(w.data() + 6)};
}
int group_at(std::string_view w, int i) { return read_i16(w.data() + kHeader + 2 * i); }

unsigned __int128 magnitude(__int128 v) { return v < 0 ? -static_cast<unsigned __int128>(v) : static_cast<unsigned __int128>(v); }

// v * 10^n, false when it leaves 38 digits.
bool scale_up(unsigned __int128& v, int n) {
  if (v == 0) return true;
  for (; n > 0; --n) {
    if (__builtin_mul_overflow(v, static_cast<unsigned __int128>(10), &v)) return false;
  }
  return true;
}

struct Shortened {
  bool negative;
  std::string digits;
  int scale;
};

// The 15 digits of %.15g: d.dddde+xx without its trailing zeros.
Shortened shortened(double v) {
  char text[40];
  const int n = std::snprintf(text, sizeof text, "%.14e", v);
  Shortened out{v < 0, {}, 0};
  const std::string_view all(text, static_cast<size_t>(n));
  const size_t e = all.find('e');
  for (const char c : all.substr(0, e)) {
    if (c >= '0' && c <= '9') out.digits += c;
  }
  while (out.digits.size() > 1 && out.digits.back() == '0') out.digits.pop_back();
  out.scale = static_cast<int>(out.digits.size()) - 1 - std::atoi(text + e + 1);
  return out;
}

}  // namespace

NumericForm numeric_form(std::string_view w) {
  if (w.size() < kHeader) return NumericForm::kBroken;
  const Header h = header_of(w);
  switch (h.sign) {
    case kPositive:
    case kNegative: break;
    case kNan: return NumericForm::kNan;
    case kInfinity: return NumericForm::kInfinity;
    case kNegativeInfinity: return NumericForm::kNegativeInfinity;
    default: return NumericForm::kBroken;
  }
  return h.groups >= 0 && w.size() == static_cast<size_t>(kHeader + 2 * h.groups) ? NumericForm::kNumber : NumericForm::kBroken;
}

bool numeric_to_decimal(std::string_view w, int precision, int scale, __int128* out) {
  const Header h = header_of(w);
  unsigned __int128 v = 0;
  int exponent = -scale;  // of the last digit in v; while v is 0 any will do
  for (int i = 0; i < h.groups; ++i) {
    const int group = group_at(w, i), low = 4 * (h.weight - i);
    if (low >= -scale) {
      if (!scale_up(v, 4) || __builtin_add_overflow(v, static_cast<unsigned __int128>(group), &v)) return false;
      exponent = low;
      continue;
    }
    const int beyond = std::min(4, -scale - low);
    if (group % kPowers[beyond] != 0) return false;
    if (beyond == 4) continue;
    if (!scale_up(v, 4 - beyond) || __builtin_add_overflow(v, static_cast<unsigned __int128>(group / kPowers[beyond]), &v)) return false;
    exponent = -scale;
  }
  if (!scale_up(v, exponent + scale)) return false;
  unsigned __int128 limit = 1;
  for (int i = 0; i < precision; ++i) limit *= 10;
  if (v >= limit) return false;
  *out = h.sign == kNegative ? -static_cast<__int128>(v) : static_cast<__int128>(v);
  return true;
}

void append_numeric_text(std::string_view w, std::string& out) {
  switch (numeric_form(w)) {
    case NumericForm::kNan: out += "NaN"; return;
    case NumericForm::kInfinity: out += "Infinity"; return;
    case NumericForm::kNegativeInfinity: out += "-Infinity"; return;
    default: break;
  }
  const Header h = header_of(w);
  if (h.sign == kNegative) out += '-';
  const auto group = [&](int i) { return i >= 0 && i < h.groups ? group_at(w, i) : 0; };
  char four[8];
  if (h.weight < 0) out += '0';
  for (int i = 0; i <= h.weight; ++i) {
    const int n = std::snprintf(four, sizeof four, i == 0 ? "%d" : "%04d", group(i));
    out.append(four, static_cast<size_t>(n));
  }
  if (h.scale <= 0) return;
  out += '.';
  std::string fraction;
  for (int i = h.weight + 1; static_cast<int>(fraction.size()) < h.scale; ++i) {
    std::snprintf(four, sizeof four, "%04d", i < 0 ? 0 : group(i));
    fraction += four;
  }
  out.append(fraction, 0, static_cast<size_t>(h.scale));
}

void append_numeric(bool negative, std::string_view digits, int scale, std::string& out) {
  while (!digits.empty() && digits.front() == '0') digits.remove_prefix(1);
  std::string padded;
  const int whole = static_cast<int>(digits.size()) - scale;  // digits before the point
  const int weight = (whole + 3 >= 0 ? (whole + 3) / 4 : -((-(whole + 3) + 3) / 4)) - 1;
  padded.assign(static_cast<size_t>((weight + 1) * 4 - whole), '0');
  padded += digits;
  while (padded.size() % 4 != 0) padded += '0';
  while (padded.size() >= 4 && padded.compare(padded.size() - 4, 4, "0000") == 0) padded.resize(padded.size() - 4);
  if (digits.empty()) padded.clear();
  const int groups = static_cast<int>(padded.size() / 4);
  append_i32(kHeader + 2 * groups, out);
  append_i16(static_cast<int16_t>(groups), out);
  append_i16(static_cast<int16_t>(groups == 0 ? 0 : weight), out);
  append_i16(static_cast<int16_t>(negative && groups > 0 ? kNegative : kPositive), out);
  append_i16(static_cast<int16_t>(std::max(scale, 0)), out);
  for (int i = 0; i < groups; ++i) {
    int group = 0;
    for (int k = 0; k < 4; ++k) group = group * 10 + (padded[static_cast<size_t>(4 * i + k)] - '0');
    append_i16(static_cast<int16_t>(group), out);
  }
}

std::string digits_of(unsigned __int128 v) {
  std::string out;
  for (; v > 0; v /= 10) out += static_cast<char>('0' + static_cast<int>(v % 10));
  std::reverse(out.begin(), out.end());
  return out;
}

void append_numeric(__int128 unscaled, int scale, std::string& out) {
  append_numeric(unscaled < 0, digits_of(magnitude(unscaled)), scale, out);
}

void append_numeric(NumericForm form, std::string& out) {
  append_i32(kHeader, out);
  append_i16(0, out);
  append_i16(0, out);
  append_i16(static_cast<int16_t>(form == NumericForm::kNan ? kNan : form == NumericForm::kInfinity ? kInfinity : kNegativeInfinity), out);
  append_i16(0, out);
}

void append_numeric(double v, std::string& out) {
  const Shortened s = shortened(v);
  append_numeric(s.negative, s.digits, s.scale, out);
}

int integer_digits(__int128 unscaled, int scale) { return std::max(0, static_cast<int>(digits_of(magnitude(unscaled)).size()) - scale); }

int integer_digits(double finite) {
  if (finite == 0) return 0;
  const Shortened s = shortened(finite);
  return std::max(0, static_cast<int>(s.digits.size()) - s.scale);
}

}  // namespace gristmill::io
