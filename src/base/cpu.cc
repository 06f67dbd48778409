// Kernel levels are whole instruction set levels (x86-64-v3, v4), as the kernels' files are compiled.

#include "base/cpu.h"

#include <algorithm>
#include <atomic>
#include <string>

#include "base/settings.h"

namespace gristmill::base {
namespace {

SimdLevel detect() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                  __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return v4 ? SimdLevel::kAvx512 : v3 ? SimdLevel::kAvx2 : SimdLevel::kBaseline;
#else
  return SimdLevel::kBaseline;
#endif
}

SimdLevel chosen() {
  const std::string forced = setting_text("GRISTMILL_SIMD");
  for (const SimdLevel level : {SimdLevel::kBaseline, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
    if (forced == simd_level_name(level)) return std::min(level, best_simd_level());
  }
  return best_simd_level();
}

std::atomic<SimdLevel>& active() {
  static std::atomic<SimdLevel> level{chosen()};
  return level;
}

}  // namespace

SimdLevel best_simd_level() {
  static const SimdLevel level = detect();
  return level;
}

SimdLevel active_simd_level() { return active().load(std::memory_order_relaxed); }

void force_simd_level(SimdLevel level) { active().store(std::min(level, best_simd_level()), std::memory_order_relaxed); }

std::vector<SimdLevel> available_simd_levels() {
  std::vector<SimdLevel> levels;
  for (const SimdLevel level : {SimdLevel::kBaseline, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
    if (level <= best_simd_level()) levels.push_back(level);
  }
  return levels;
}

std::string_view simd_level_name(SimdLevel level) {
  switch (level) {
    case SimdLevel::kAvx2: return "avx2";
    case SimdLevel::kAvx512: return "avx512";
    default: return "baseline";
  }
}

}  // namespace gristmill::base
