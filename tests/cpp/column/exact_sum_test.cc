// Exact sums against long-hand rationals: values, every order, every unit, every SIMD level, bytes.

#include "column/exact_sum.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/cpu.h"
#include "column/exact_number.h"
#include "exact_inputs.h"
#include "exact_reference.h"

namespace gristmill::column {
namespace {

using inputs::kShapes;
using inputs::Shape;
using inputs::to_bits;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kMax = std::numeric_limits<double>::max();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();
const double kNan = std::numeric_limits<double>::quiet_NaN();

reference::Number reference_sum(const std::vector<double>& x) {
  reference::Number sum;
  for (const double v : x) sum = reference::add(sum, reference::of(v));
  return sum;
}

double wide_sum(const std::vector<double>& x) {
  WideSum s;
  for (const double v : x) s.add(v);
  return s.value();
}

double unit_sum(const ExactUnit& unit, const std::vector<double>& x) {
  ExactSum s;
  WideSum wide;
  for (const double v : x) {
    if (!unit.add(s, v)) unit.add_outside(s, wide, v);
  }
  return exact_value(unit, s, &wide);
}

double vector_sum(const ExactUnit& unit, const std::vector<double>& x) {
  ExactSum s;
  WideSum wide;
  exact_add_all(unit, s, wide, x.data(), nullptr, 0, static_cast<int64_t>(x.size()));
  return exact_value(unit, s, &wide);
}

class EveryLevel {
 public:
  ~EveryLevel() { base::force_simd_level(base::best_simd_level()); }
  template <class Check>
  void run(Check check) {
    for (const base::SimdLevel level : base::available_simd_levels()) {
      base::force_simd_level(level);
      SCOPED_TRACE(base::simd_level_name(level));
      check();
    }
  }
};

TEST(ExactReference, TakesTheNearestDoubleAndNoOther) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 500; ++i) {
    const double a = inputs::any_finite(random), b = std::ldexp(a, static_cast<int>(random() % 60));
    if (!std::isfinite(a + b)) continue;
    const reference::Number sum = reference::add(reference::of(a), reference::of(b));
    const double right = a + b;  // one rounding in hardware
    EXPECT_TRUE(reference::is_rounded(right, sum, reference::integer(1)));
    EXPECT_FALSE(reference::is_rounded(std::nextafter(right, kInf), sum, reference::integer(1)));
    EXPECT_FALSE(reference::is_rounded(std::nextafter(right, -kInf), sum, reference::integer(1)));
    const double root = std::sqrt(std::fabs(a));
    const reference::Number square = reference::of(std::fabs(a));
    EXPECT_TRUE(reference::is_rounded(root, square, reference::integer(1), true));
    EXPECT_FALSE(reference::is_rounded(std::nextafter(root, kInf), square, reference::integer(1), true));
    EXPECT_FALSE(reference::is_rounded(std::nextafter(root, 0), square, reference::integer(1), true));
    EXPECT_TRUE(reference::is_rounded(a / 3, reference::of(a), reference::integer(3)));
    EXPECT_FALSE(reference::is_rounded(std::nextafter(a / 3, kInf), reference::of(a), reference::integer(3)));
  }
}

TEST(WideSum, RoundsTheExactSumOnce) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    for (const Shape shape : kShapes) {
      std::mt19937_64 random(seed);
      const std::vector<double> x = inputs::values(shape, 1 + random() % 200, random);
      ASSERT_TRUE(reference::is_rounded(wide_sum(x), reference_sum(x), reference::integer(1))) << inputs::name(shape, seed);
    }
  }
}

TEST(WideSum, HoldsWhatDoublesCannot) {
  EXPECT_EQ(wide_sum({1e100, 1, -1e100}), 1.0);
  EXPECT_EQ(wide_sum({kMax, kMax, -kMax}), kMax);
  EXPECT_EQ(wide_sum({kMax, kTiny, -kMax}), kTiny);
  EXPECT_EQ(wide_sum({kMax, kMax}), kInf);
  EXPECT_EQ(wide_sum({-kMax, -kMax}), -kInf);
  EXPECT_EQ(wide_sum({kMax, 0x1p969}), kMax);  // below half a unit of the last place
  EXPECT_EQ(wide_sum({kMax, 0x1p970}), kInf);  // the tie goes to the even one, which is infinity
  EXPECT_EQ(wide_sum({1, 0x1p-53}), 1.0);
  EXPECT_EQ(wide_sum({1, 0x1p-53, kTiny}), 1 + 0x1p-52);
  EXPECT_EQ(wide_sum({1 + 0x1p-52, 0x1p-53}), 1 + 0x1p-51);
}

TEST(WideSum, ZeroIsPositive) {
  for (const std::vector<double>& x : {std::vector<double>{}, {-0.0}, {1, -1}, {kTiny, -kTiny}, {kMax, -kMax, -0.0}}) {
    EXPECT_EQ(to_bits(wide_sum(x)), 0u);
    EXPECT_EQ(to_bits(unit_sum(ExactUnit(), x)), 0u);
  }
}

TEST(WideSum, CountsInfinitiesAndNanApart) {
  EXPECT_EQ(wide_sum({kInf, 1}), kInf);
  EXPECT_EQ(wide_sum({-kInf, kMax, kMax}), -kInf);
  EXPECT_TRUE(std::isnan(wide_sum({kInf, -kInf})));
  EXPECT_TRUE(std::isnan(wide_sum({1, kNan})));
  WideSum s;
  for (const double v : {kInf, kNan, -kInf, 2.0}) s.add(v);
  s.subtract(kNan);
  s.subtract(-kInf);
  EXPECT_EQ(s.value(), kInf);
  s.subtract(kInf);
  EXPECT_EQ(s.value(), 2.0);
  s.subtract(2.0);
  EXPECT_TRUE(s.is_zero());
}

TEST(WideSum, AddsProductsExactly) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    for (const Shape shape : kShapes) {
      std::mt19937_64 random(seed);
      const std::vector<double> a = inputs::values(shape, 50, random), b = inputs::values(shape, 50, random);
      WideSum s;
      reference::Number expected;
      for (size_t i = 0; i < a.size(); ++i) {
        s.add_product(a[i], b[i]);
        expected = reference::add(expected, reference::multiply(reference::of(a[i]), reference::of(b[i])));
      }
      ASSERT_TRUE(reference::is_rounded(s.value(), expected, reference::integer(1))) << inputs::name(shape, seed);
      ASSERT_TRUE(reference::is_rounded(s.value_over(50), expected, reference::integer(50))) << inputs::name(shape, seed);
      for (size_t i = 0; i < a.size(); ++i) s.subtract_product(a[i], b[i]);
      ASSERT_TRUE(s.is_zero());
    }
  }
  WideSum squares;  // the largest and the smallest squares live together
  for (int i = 0; i < 1000; ++i) squares.add_product(kMax, kMax);
  squares.add_product(kTiny, kTiny);
  EXPECT_EQ(squares.value(), kInf);
  for (int i = 0; i < 1000; ++i) squares.add_product(-kMax, kMax);
  EXPECT_EQ(squares.number().exponent * 1.0 + __builtin_ctzll(squares.number().limb[0]), -2148);
}

TEST(WideSum, DividesByACountWithOneRounding) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; ++i) {
    WideSum s;
    const double x = inputs::any_finite(random);
    const int64_t n = static_cast<int64_t>(random() >> (1 + random() % 63)) | 1;
    s.add(x);
    ASSERT_TRUE(reference::is_rounded(s.value_over(n), reference::of(x), reference::integer(n))) << x << " / " << n;
  }
}

TEST(WideSum, EqualSumsHaveEqualBytes) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    for (const Shape shape : kShapes) {
      std::mt19937_64 random(seed);
      std::vector<double> x = inputs::values(shape, 60, random);
      x.push_back(kInf);
      WideSum forwards, shuffled, left, right;
      for (const double v : x) forwards.add(v);
      std::shuffle(x.begin(), x.end(), random);
      for (size_t i = 0; i < x.size(); ++i) {
        const double noise = inputs::any_finite(random);
        shuffled.add(noise);
        shuffled.add(x[i]);
        shuffled.subtract(noise);
        (random() % 3 != 0 ? left : right).add(x[i]);
      }
      right.merge(left);
      ASSERT_EQ(forwards.bytes(), shuffled.bytes()) << inputs::name(shape, seed);
      ASSERT_EQ(forwards.bytes(), right.bytes()) << inputs::name(shape, seed);
      const WideSum back = WideSum::from_bytes(forwards.bytes());
      ASSERT_EQ(back.bytes(), forwards.bytes());
      right.subtract(back);
      ASSERT_TRUE(right.is_zero()) << inputs::name(shape, seed);
      right.add(1);
      ASSERT_NE(right.bytes(), WideSum().bytes());
    }
  }
}

TEST(WideSum, RefusesBrokenBytes) {
  WideSum s;
  s.add(1e300);
  s.add(kNan);
  const std::vector<uint8_t> whole = s.bytes();
  for (size_t n = 0; n < whole.size(); ++n) {
    std::span<const uint8_t> part(whole.data(), n);
    EXPECT_FALSE(WideSum::read(&part).has_value()) << n;
  }
}

TEST(ExactUnit, EveryUnitGivesTheSameSum) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    for (const Shape shape : kShapes) {
      std::mt19937_64 random(seed);
      const std::vector<double> x = inputs::values(shape, 1 + random() % 300, random);
      const double expected = wide_sum(x);
      for (int exponent = -1100; exponent <= 950; exponent += 1 + static_cast<int>(random() % 97)) {
        ASSERT_EQ(to_bits(unit_sum(ExactUnit(exponent), x)), to_bits(expected)) << inputs::name(shape, seed) << " unit " << exponent;
      }
      ASSERT_EQ(to_bits(unit_sum(ExactUnit::choose(x), x)), to_bits(expected)) << inputs::name(shape, seed);
    }
  }
}

TEST(ExactUnit, ChoosesAWindowThatTakesTheSample) {
  for (const Shape shape : {Shape::kPrices, Shape::kHuge, Shape::kNarrow, Shape::kIntegers, Shape::kWithZeros}) {
    std::mt19937_64 random(3);
    const std::vector<double> x = inputs::values(shape, 1000, random);
    const ExactUnit unit = ExactUnit::choose(x);
    int taken = 0;
    for (const double v : x) {
      ExactSum s;
      taken += unit.add(s, v);
    }
    EXPECT_EQ(taken, 1000) << static_cast<int>(shape);
  }
  std::mt19937_64 random(3);
  std::vector<double> x = inputs::values(Shape::kPrices, 1000, random);
  x.push_back(1e-300);
  x.push_back(1e300);
  EXPECT_EQ(ExactUnit::choose(x), ExactUnit::choose(std::span(x).first(1000)));  // two strays change nothing
  EXPECT_EQ(ExactUnit::choose({}), ExactUnit());
}

TEST(ExactUnit, AFullStateMovesToTheWideSum) {
  const ExactUnit unit(0);
  ExactSum s;
  WideSum wide;
  reference::Number expected;
  const double x = -std::ldexp(1.75, 52 + 63);  // the top of the window: 2^11 of them overflow
  for (int i = 0; i < 100000; ++i) {
    if (!unit.add(s, x)) unit.add_outside(s, wide, x);
  }
  EXPECT_FALSE(wide.is_zero());
  EXPECT_EQ(exact_value(unit, s, &wide), 100000 * x);
  EXPECT_EQ(exact_value_over(unit, s, &wide, 100000), x);
  ExactSum all;
  WideSum all_wide;
  const std::vector<double> xs(100000, x);
  EveryLevel().run([&] { EXPECT_EQ(vector_sum(unit, xs), 100000 * x); });
}

TEST(ExactUnit, KeepsSmallNumbersWithFewBitsInTheState) {
  const ExactUnit unit(-83);
  ExactSum s;
  WideSum wide;
  EXPECT_FALSE(unit.add(s, 0x1p-40));  // its last place lies below the unit, but that bit is not set
  unit.add_outside(s, wide, 0x1p-40);
  EXPECT_TRUE(wide.is_zero());
  EXPECT_EQ(exact_value(unit, s, nullptr), 0x1p-40);
}

TEST(ExactSum, VectorLevelsAgreeWithTheScalarPath) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    for (const Shape shape : kShapes) {
      std::mt19937_64 random(seed);
      std::vector<double> x = inputs::values(shape, random() % 5000, random);
      const int exponent = static_cast<int>(random() % 2000) - 1080;
      for (const ExactUnit& unit : {ExactUnit::choose(x), ExactUnit(exponent)}) {
        const double expected = unit_sum(unit, x);
        EveryLevel().run([&] { ASSERT_EQ(to_bits(vector_sum(unit, x)), to_bits(expected)) << inputs::name(shape, seed); });
      }
    }
  }
}

TEST(ExactSum, EdgesOfTheWindowAgreeAtEveryLevel) {
  std::vector<double> edges = {0.0, -0.0, kTiny, -kTiny, std::numeric_limits<double>::min(), kMax, -kMax};
  for (int e = -1074; e <= 1023; e += 7) {
    for (const double m : {1.0, -1.0, 1.9999999999999998, -1.9999999999999998}) edges.push_back(std::ldexp(m, e));
  }
  for (int exponent = -1074; exponent <= 908; exponent += 13) {
    const ExactUnit unit(exponent);
    for (const double v : edges) {
      const std::vector<double> x = {v};
      EveryLevel().run([&] { ASSERT_EQ(to_bits(vector_sum(unit, x)), to_bits(v == 0 ? 0.0 : v)) << v << " unit " << exponent; });
    }
    for (int shift : {-1, 0, 1, 62, 63, 64}) {
      const double v = std::ldexp(-1.0 - 0x1p-52, exponent + 52 + shift);
      if (!std::isfinite(v)) continue;
      const std::vector<double> x(9, v);
      const double expected = wide_sum(x);
      EveryLevel().run([&] { ASSERT_EQ(to_bits(vector_sum(unit, x)), to_bits(expected)) << v << " unit " << exponent; });
    }
  }
}

TEST(ExactSum, SkipsRowsThatAreNotValid) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    std::mt19937_64 random(seed);
    const int64_t n = static_cast<int64_t>(random() % 3000), offset = static_cast<int64_t>(random() % 77);
    std::vector<double> x = inputs::values(kShapes[seed % 9], static_cast<size_t>(n), random);
    std::vector<uint8_t> validity(static_cast<size_t>((n + offset + 7) / 8));  // exactly: a sanitizer sees reads beyond
    for (uint8_t& b : validity) b = static_cast<uint8_t>(random());
    std::vector<double> kept;
    for (int64_t i = 0; i < n; ++i) {
      if ((validity[(i + offset) / 8] >> ((i + offset) % 8) & 1) != 0) {
        kept.push_back(x[i]);
      } else if (random() % 2 == 0) {
        x[i] = kNan;  // what a null slot holds does not matter
      }
    }
    const double expected = wide_sum(kept);
    const ExactUnit unit = ExactUnit::choose(kept);
    EveryLevel().run([&] {
      ExactSum s;
      WideSum wide;
      exact_add_all(unit, s, wide, x.data(), validity.data(), offset, n);
      ASSERT_EQ(to_bits(exact_value(unit, s, &wide)), to_bits(expected)) << "seed " << seed;
    });
  }
}

TEST(PreparedUnits, AddWhatTheScalarPathAdds) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    std::mt19937_64 random(seed);
    const int n = 1 + static_cast<int>(random() % PreparedUnits::kMostRows);
    const std::vector<double> x = inputs::values(kShapes[seed % 9], static_cast<size_t>(n), random);
    std::vector<uint8_t> validity(static_cast<size_t>(n + 3 + 7) / 8);
    for (uint8_t& b : validity) b = static_cast<uint8_t>(random());
    std::vector<double> kept;
    for (int i = 0; i < n; ++i) {
      if ((validity[(i + 3) / 8] >> ((i + 3) % 8) & 1) != 0) kept.push_back(x[i]);
    }
    const ExactUnit unit = seed % 3 == 0 ? ExactUnit(900) : ExactUnit::choose(x);
    EveryLevel().run([&] {
      ExactSum s;
      WideSum wide;
      PreparedUnits units;
      units.prepare(unit, x.data(), validity.data(), 3, n);
      for (int k = 0; k < n; ++k) {
        if (!units.add(k, &s)) unit.add_outside(s, wide, x[k]);
      }
      for (const uint16_t k : units.outside()) unit.add_outside(s, wide, x[k]);
      ASSERT_EQ(to_bits(exact_value(unit, s, &wide)), to_bits(wide_sum(kept))) << "seed " << seed;
    });
  }
}

TEST(ExactSum, FloatsAddAsTheDoublesTheyAre) {
  std::mt19937_64 random(11);
  std::vector<float> x;
  std::vector<double> doubles;
  for (int i = 0; i < 3000; ++i) {
    const uint32_t bits = static_cast<uint32_t>(random());
    float f;
    std::memcpy(&f, &bits, sizeof f);
    if (!std::isfinite(f)) continue;
    x.push_back(f);
    doubles.push_back(f);
  }
  EveryLevel().run([&] {
    ExactSum s;
    WideSum wide;
    exact_add_all(ExactUnit(), s, wide, x.data(), nullptr, 0, static_cast<int64_t>(x.size()));
    EXPECT_EQ(to_bits(exact_value(ExactUnit(), s, &wide)), to_bits(wide_sum(doubles)));
  });
}

TEST(ExactSum, SpecialsArriveAtEveryLevel) {
  EveryLevel().run([&] {
    for (const auto& [x, expected] : std::vector<std::pair<std::vector<double>, double>>{
             {{1, kInf, 2, 3, 4, 5, 6, 7, 8, 9}, kInf}, {{1, 2, 3, -kInf}, -kInf}, {{kInf, -kInf}, kNan}, {{1, kNan}, kNan}}) {
      for (const int exponent : {-1074, -83, 908}) {
        const double got = vector_sum(ExactUnit(exponent), x);
        EXPECT_TRUE(std::isnan(expected) ? std::isnan(got) : got == expected) << got << " unit " << exponent;
      }
    }
  });
}

}  // namespace
}  // namespace gristmill::column
