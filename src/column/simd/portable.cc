// The kernels for any CPU: what the compiler makes of the plain loops.

#include "column/simd/kernels-inl.h"

namespace gristmill::column::simd {
constinit const KernelTable kPortableKernels = make_table();
}  // namespace gristmill::column::simd
