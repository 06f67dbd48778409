// The digits are those of std::to_chars, value by value.

#include "column/float_digits.h"

#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>

#include "column/integer_digits.h"

namespace gristmill::column {
namespace {

template <typename T>
std::string by_library(T v, const FloatForm& form) {
  char text[400];
  const auto scientific = std::to_chars(text, text + sizeof text, v, std::chars_format::scientific);
  std::string out(text, scientific.ptr);
  const int e = v == 0 ? 0 : std::stoi(out.substr(out.find('e') + 1));
  if (v != 0 && (e < form.least_plain || e > form.most_plain)) return out;
  const auto plain = std::to_chars(text, text + sizeof text, v, std::chars_format::fixed);
  out.assign(text, plain.ptr);
  return form.keeps_point && out.find('.') == std::string::npos ? out + ".0" : out;
}

template <typename T>
std::string by_us(T v, const FloatForm& form) {
  char text[kFloatRoom + 1];
  text[kFloatRoom] = '#';
  const char* end = write_float(v, form, text);
  EXPECT_EQ(text[kFloatRoom], '#');
  return {text, static_cast<size_t>(end - text)};
}

constexpr FloatForm kForms[] = {{-5, 14, true}, {-4, 14, false}, {-4, 5, false}, {1, -1, false}};

template <typename T>
void same(T v) {
  for (const FloatForm& form : kForms) {
    ASSERT_EQ(by_us(v, form), by_library(v, form)) << "bits " << std::bit_cast<std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>>(v);
    ASSERT_EQ(by_us(-v, form), by_library(-v, form));
  }
}

TEST(FloatDigits, BordersOfEveryPowerOfTwoAndTen) {
  for (uint64_t e = 0; e < 2047; ++e) {
    for (const uint64_t fraction :
         {uint64_t{0}, uint64_t{1}, uint64_t{2}, (uint64_t{1} << 52) - 1, (uint64_t{1} << 52) - 2, uint64_t{1} << 51})
      same(std::bit_cast<double>(e << 52 | fraction));
  }
  for (uint32_t e = 0; e < 255; ++e) {
    for (const uint32_t fraction : {0U, 1U, 2U, (1U << 23) - 1, 1U << 22}) same(std::bit_cast<float>(e << 23 | fraction));
  }
  for (int k = -323; k <= 308; ++k) {
    const double power = std::strtod(("1e" + std::to_string(k)).c_str(), nullptr);
    for (const double v : {power, std::nextafter(power, 0.0), std::nextafter(power, 1e308), 3 * power, power / 3}) {
      if (std::isfinite(v)) same(v);
    }
    if (k >= -44 && k <= 38) same(static_cast<float>(power));
  }
  same(std::numeric_limits<double>::max());
  same(std::numeric_limits<float>::max());
}

TEST(FloatDigits, RandomBits) {
  std::mt19937_64 random(20240229);
  for (int i = 0; i < 100'000; ++i) {
    const double d = std::bit_cast<double>(random());
    if (std::isfinite(d)) same(std::abs(d));
    const float f = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (std::isfinite(f)) same(std::abs(f));
  }
}

TEST(FloatDigits, NumbersOfEveryday) {
  std::mt19937_64 random(7);
  double power = 1;
  for (int places = 0; places < 9; ++places, power *= 10) {
    for (int i = 0; i < 10'000; ++i) {
      const auto whole = static_cast<double>(random() % 1'000'000'000);
      same(whole / power);
      same(std::sqrt(whole / power));
      same(static_cast<float>(whole / power));
    }
  }
}

TEST(IntegerDigits, EveryNumberOfDigits) {
  const auto text = [](auto v) {
    char out[kIntegerRoom];
    return std::string(out, write_digits(v, out));
  };
  uint64_t power = 1;
  for (int digits = 1; digits <= 20; ++digits, power *= 10) {
    for (const uint64_t v : {power - 1, power, power + 1, power * 9, power * 7 + power / 3}) {
      EXPECT_EQ(text(v), std::to_string(v));
      EXPECT_EQ(text(static_cast<int64_t>(v)), std::to_string(static_cast<int64_t>(v)));
      EXPECT_EQ(text(-static_cast<int64_t>(v)), std::to_string(-static_cast<int64_t>(v)));
    }
  }
  EXPECT_EQ(text(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(text(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  for (uint32_t v = 0; v < 100'000'000; v += 97) {
    uint64_t expected = 0;
    for (uint32_t left = v, i = 0; i < 8; ++i, left /= 10) expected = expected << 8 | ('0' + left % 10);
    ASSERT_EQ(eight_digits(v), expected) << v;
  }
}

}  // namespace
}  // namespace gristmill::column
