// Settings from the environment, sizes, and the CPU level they can force.
#include "base/settings.h"

#include <gtest/gtest.h>

#include <set>

#include "base/cpu.h"
#include "base/environment.h"
#include "base/status.h"

namespace gristmill::base {
namespace {

TEST(Settings, HaveUniquePrefixedNamesAndHelp) {
  std::set<std::string> names;
  for (const Setting& s : settings()) {
    EXPECT_TRUE(names.insert(s.name).second) << s.name;
    EXPECT_EQ(std::string(s.name).rfind("GRISTMILL_", 0), 0u);
    EXPECT_GT(std::string(s.help).size(), 10u);
  }
  for (const char* name : {"GRISTMILL_WORKERS", "GRISTMILL_MEMORY", "GRISTMILL_SPILL_DIR", "GRISTMILL_SPILL_FAIL_AFTER", "GRISTMILL_SIMD",
                           "GRISTMILL_MORSEL_ROWS", "GRISTMILL_BATCH_ROWS", "GRISTMILL_CONSTANT_HASH"}) {
    EXPECT_EQ(names.count(name), 1u) << name;
  }
}

TEST(Settings, ComeFromTheEnvironmentElseFromTheTable) {
  EXPECT_EQ(setting_int("GRISTMILL_BATCH_ROWS").ValueOrDie(), 0);
  const ScopedSetting set("GRISTMILL_BATCH_ROWS", " 7 ");
  EXPECT_EQ(setting_int("GRISTMILL_BATCH_ROWS").ValueOrDie(), 7);
  const ScopedSetting memory("GRISTMILL_MEMORY", "512MB");
  EXPECT_EQ(setting_bytes("GRISTMILL_MEMORY").ValueOrDie(), 512'000'000);
}

TEST(Settings, NameThemselvesWhenTheirValueIsWrong) {
  const ScopedSetting rows("GRISTMILL_BATCH_ROWS", "many");
  EXPECT_EQ(setting_int("GRISTMILL_BATCH_ROWS").status().message(), "GRISTMILL_BATCH_ROWS is \"many\", which is not a whole number");
  const ScopedSetting memory("GRISTMILL_MEMORY", "4 goats");
  EXPECT_EQ(describe_error(setting_bytes("GRISTMILL_MEMORY").status()),
            "GRISTMILL_MEMORY: \"4 goats\" is not a size; write a number and a unit, e.g. 512MB, 2GiB or 0");
  EXPECT_EQ(error_kind(setting_int("GRISTMILL_NO_SUCH").status()), ErrorKind::kInternal);
}

TEST(Settings, AreCheckedTogether) {
  EXPECT_TRUE(check_settings().ok());
  {
    const ScopedSetting memory("GRISTMILL_MEMORY", "lots");
    EXPECT_EQ(check_settings().message(), "GRISTMILL_MEMORY: \"lots\" is not a size");
  }
  {
    const ScopedSetting workers("GRISTMILL_WORKERS", "-3");
    EXPECT_EQ(check_settings().message(), "GRISTMILL_WORKERS is -3, which is negative");
  }
  const ScopedSetting simd("GRISTMILL_SIMD", "avx3");
  EXPECT_EQ(describe_error(check_settings()), "GRISTMILL_SIMD is \"avx3\"; did you mean \"avx2\"?");
}

TEST(ParseBytes, ReadsDecimalAndBinaryUnitsExactly) {
  EXPECT_EQ(parse_bytes("0").ValueOrDie(), 0);
  EXPECT_EQ(parse_bytes("17").ValueOrDie(), 17);
  EXPECT_EQ(parse_bytes("512MB").ValueOrDie(), 512'000'000);
  EXPECT_EQ(parse_bytes("2GiB").ValueOrDie(), int64_t{2} << 30);
  EXPECT_EQ(parse_bytes("2 gib").ValueOrDie(), int64_t{2} << 30);
  EXPECT_EQ(parse_bytes("1.1GB").ValueOrDie(), 1'100'000'000);
  EXPECT_EQ(parse_bytes("1.5KiB").ValueOrDie(), 1536);
  EXPECT_EQ(parse_bytes("64k").ValueOrDie(), 64'000);
  EXPECT_EQ(parse_bytes("8Mi").ValueOrDie(), int64_t{8} << 20);
}

TEST(ParseBytes, RefusesWhatIsNotASize) {
  for (const char* text : {"", " ", "MB", "-1", "1.2.3", "12 parsecs", "9999999999TB", "1e9", "12345678901234567890", "."}) {
    EXPECT_FALSE(parse_bytes(text).ok()) << text;
    EXPECT_EQ(error_kind(parse_bytes(text).status()), ErrorKind::kPlan) << text;
  }
}

TEST(Simd, CanBeForcedButNotBeyondTheMachine) {
  const std::vector<SimdLevel> levels = available_simd_levels();
  ASSERT_FALSE(levels.empty());
  EXPECT_EQ(levels.front(), SimdLevel::kBaseline);
  EXPECT_EQ(levels.back(), best_simd_level());
  const SimdLevel before = active_simd_level();
  for (const SimdLevel level : levels) {
    force_simd_level(level);
    EXPECT_EQ(active_simd_level(), level);
  }
  force_simd_level(SimdLevel::kAvx512);
  EXPECT_LE(active_simd_level(), best_simd_level());
  force_simd_level(before);
  EXPECT_EQ(simd_level_name(SimdLevel::kBaseline), "baseline");
  EXPECT_EQ(simd_level_name(SimdLevel::kAvx2), "avx2");
  EXPECT_EQ(simd_level_name(SimdLevel::kAvx512), "avx512");
}

}  // namespace
}  // namespace gristmill::base
