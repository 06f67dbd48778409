// The kernels for AVX2 and BMI2: compress by permutation tables, bit extraction in one instruction.

#if defined(__x86_64__)
#define GRISTMILL_AVX2
#include "column/simd/kernels-inl.h"

namespace gristmill::column::simd {
constinit const KernelTable kAvx2Kernels = make_table();
}  // namespace gristmill::column::simd
#endif
