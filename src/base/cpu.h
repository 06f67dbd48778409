// What this CPU can do and which kernel level is used; GRISTMILL_SIMD=baseline|avx2|avx512 forces one.
#pragma once

#include <string_view>
#include <vector>

namespace gristmill::base {

enum class SimdLevel : unsigned char { kBaseline = 0, kAvx2 = 1, kAvx512 = 2 };

SimdLevel best_simd_level();             // of this machine
SimdLevel active_simd_level();           // forced or best
void force_simd_level(SimdLevel level);  // tests; not beyond best
std::vector<SimdLevel> available_simd_levels();
std::string_view simd_level_name(SimdLevel level);

// Between two looks at what another thread will change soon.
inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace gristmill::base
