// The logarithm against the C library's, at every SIMD level and in a plain call.

#include "expr/functions/logarithm.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace gristmill::expr {
namespace {

std::vector<double> values() {
  constexpr uint64_t kSeed = 7;
  std::mt19937_64 rng(kSeed);
  std::vector<double> out = {1.0,
                             0.0,
                             -0.0,
                             -1.0,
                             HUGE_VAL,
                             -HUGE_VAL,
                             std::nan(""),
                             std::numeric_limits<double>::denorm_min(),
                             std::numeric_limits<double>::min(),
                             std::numeric_limits<double>::max(),
                             std::nextafter(1.0, 2.0),
                             std::nextafter(1.0, 0.0),
                             std::sqrt(0.5),
                             std::sqrt(2.0)};
  for (int i = 0; i < 200'000; ++i) out.push_back(std::bit_cast<double>(rng()));
  for (int i = 0; i < 200'000; ++i) out.push_back(std::uniform_real_distribution<double>(0.4, 2.5)(rng));
  for (int i = 0; i < 50'000; ++i) out.push_back(1.0 + std::uniform_real_distribution<double>(-1e-8, 1e-8)(rng));
  for (int i = 0; i < 20'000; ++i) out.push_back(std::bit_cast<double>(rng() >> 12));  // subnormal
  return out;
}

TEST(NaturalLog, LiesWithinOneUnitInTheLastPlace) {
  for (const double x : values()) {
    const double got = natural_log(x), wanted = std::log(x);
    if (std::isnan(wanted) || std::isinf(wanted) || wanted == 0) {
      EXPECT_TRUE(std::isnan(wanted) ? std::isnan(got) : got == wanted) << x;
      continue;
    }
    const double unit = std::nextafter(std::fabs(wanted), HUGE_VAL) - std::fabs(wanted);
    EXPECT_LE(std::fabs(got - wanted), unit) << std::hexfloat << x;
  }
}

TEST(NaturalLog, HasTheSameBitsAtEveryLevel) {
  const std::vector<double> in = values();
  const auto run = [&](auto level) {
    std::vector<double> out(in.size());
    const double* from = in.data();
    double* to = out.data();
    const size_t n = in.size();
    level([=]() GRISTMILL_INLINE {
      for (size_t i = 0; i < n; ++i) to[i] = natural_log(from[i]);
    });
    return out;
  };
  const auto same = [&](const std::vector<double>& out) {
    for (size_t i = 0; i < in.size(); ++i) {
      const double plain = natural_log(in[i]);
      if (std::isnan(plain) && std::isnan(out[i])) continue;
      ASSERT_EQ(std::bit_cast<uint64_t>(out[i]), std::bit_cast<uint64_t>(plain)) << in[i];
    }
  };
  for (const base::SimdLevel level : base::available_simd_levels()) {
    base::force_simd_level(level);
    same(run([](const auto& loop) { at_best_level(loop); }));
  }
  base::force_simd_level(base::best_simd_level());
}

}  // namespace
}  // namespace gristmill::expr
