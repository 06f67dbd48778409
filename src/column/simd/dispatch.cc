// Level -> table. Levels that this build has no code for fall back to the next lower one.

#include "column/simd/dispatch.h"

namespace gristmill::column::simd {

static_assert(static_cast<int>(Physical::kInt128) - static_cast<int>(Physical::kInt8) == kI128);

const KernelTable& kernels(base::SimdLevel level) {
#if defined(__x86_64__)
  switch (level) {
    case base::SimdLevel::kAvx512: return kAvx512Kernels;
    case base::SimdLevel::kAvx2: return kAvx2Kernels;
    case base::SimdLevel::kBaseline: break;
  }
#endif
  return kPortableKernels;
}

std::span<const std::string_view> kernel_names() {
  static constexpr std::string_view kNames[] = {
#define GRISTMILL_KERNEL_NAME(member, declaration) #member,
      GRISTMILL_KERNELS(GRISTMILL_KERNEL_NAME)
#undef GRISTMILL_KERNEL_NAME
  };
  return kNames;
}

}  // namespace gristmill::column::simd
