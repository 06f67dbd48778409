// The kernels for AVX-512 (F, BW, DQ, VL): compress and compare in mask registers, 64-bit products in vectors.

#if defined(__x86_64__)
#define GRISTMILL_AVX2
#define GRISTMILL_AVX512
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // the compiler's own intrinsics start from an undefined register
#include "column/simd/kernels-inl.h"

namespace gristmill::column::simd {
constinit const KernelTable kAvx512Kernels = make_table();
}  // namespace gristmill::column::simd
#endif
