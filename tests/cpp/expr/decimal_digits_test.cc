// Digits of doubles by whole numbers against the C++ library's texts: random bits, numbers people write, ties and carries.

#include "expr/decimal_digits.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace gristmill::expr {
namespace {

// "d.ddde+xx" of n digits, as a double.
double by_text(double v, int n) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, v, std::chars_format::scientific, n - 1).ptr;
  double out = 0;
  std::from_chars(text, end, out);
  return out;
}

// The digits of a scientific text without point and blank zeros, and the power of ten of the last of them.
std::pair<std::string, int> digits_of(std::string_view text) {
  const size_t e = text.find('e');
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c != '.') digits += c;
  }
  int power = std::stoi(std::string(text.substr(e + 1))) - static_cast<int>(digits.size()) + 1;
  while (digits.size() > 1 && digits.back() == '0') digits.pop_back(), ++power;
  return {digits, power};
}

std::pair<std::string, int> digits_of(DecimalDigits d) {
  std::string digits = std::to_string(d.digits);
  int power = -d.places;
  while (digits.size() > 1 && digits.back() == '0') digits.pop_back(), ++power;
  return {digits, power};
}

std::vector<double> samples(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<double> out = {1,
                             0.1,
                             0.5,
                             0.125,
                             9.5,
                             99.5,
                             0.25,
                             2.5,
                             1e15,
                             1e14,
                             999999999999999.5,
                             999999999999999.875,
                             1e-8,
                             1e-7,
                             1e22,
                             1e23,
                             5e-324,
                             0x1p-1022,
                             0.001,
                             0.0001,
                             1e-5,
                             0.3,
                             0.1 + 0.2,
                             123456789012345.0,
                             8.5,
                             1e300,
                             0x1p53,
                             0x1p60,
                             4503599627370496.5,
                             0.99999999999999994,
                             9.9999999999999995e-7};
  std::uniform_real_distribution<double> exponent(-9, 16), unit(0, 1);
  for (int i = 0; i < 200'000; ++i) {
    out.push_back(std::pow(10.0, exponent(random)) * unit(random));
    out.push_back(std::floor(unit(random) * 1e6) / std::pow(10.0, std::floor(unit(random) * 8)));
    out.push_back(std::floor(unit(random) * 4096) / 4096 * 1024);  // ties at few digits
    out.push_back(std::abs(std::bit_cast<double>(random())));
  }
  return out;
}

TEST(DecimalDigits, RoundsAsPrintfDoes) {
  int taken = 0;
  for (const double v : samples(1)) {
    if (!std::isfinite(v)) continue;
    for (const int n : {15, 1, 2, 3, 7, 12}) {
      DecimalDigits d;
      if (!round_to_digits(v, n, d)) continue;
      ++taken;
      ASSERT_EQ(d.value(), by_text(v, n)) << v << " at " << n;
      char text[64];
      const auto end = std::to_chars(text, text + sizeof text, v, std::chars_format::scientific, n - 1).ptr;
      ASSERT_EQ(digits_of(d), digits_of({text, static_cast<size_t>(end - text)})) << v << " at " << n;
    }
  }
  EXPECT_GT(taken, 2'000'000);
}

TEST(DecimalDigits, TakesTheNumbersOfEveryday) {
  for (const double v : {1.0, 0.1, 3600.0, 86400.0 / 7, 1e14, 999999999999999.0, 0.00012345, 1e-7}) {
    DecimalDigits d;
    EXPECT_TRUE(round_to_digits(v, 15, d)) << v;
  }
}

TEST(DecimalDigits, FindsTheShortestText) {
  int taken = 0;
  for (const double v : samples(2)) {
    DecimalDigits d;
    if (!std::isfinite(v) || !shortest_digits(v, d)) continue;
    ++taken;
    char text[64];
    const auto end = std::to_chars(text, text + sizeof text, v, std::chars_format::scientific).ptr;
    ASSERT_EQ(digits_of(d), digits_of({text, static_cast<size_t>(end - text)})) << v;
  }
  EXPECT_GT(taken, 300'000);
}

TEST(DecimalDigits, LeavesTheRest) {
  DecimalDigits d;
  for (const double v : {0.0, -1.0, 5e-324, HUGE_VAL, std::nan(""), 1e200, 1e-200}) EXPECT_FALSE(round_to_digits(v, 15, d)) << v;
}

}  // namespace
}  // namespace gristmill::expr
