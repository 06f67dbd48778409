// Which kernel table to use: the one of the active SIMD level (base/cpu.h), or any by name for tests.
#pragma once

#include <span>
#include <string_view>

#include "base/cpu.h"
#include "column/simd/kernel_table.h"
#include "column/types.h"

namespace gristmill::column::simd {

const KernelTable& kernels(base::SimdLevel level);
inline const KernelTable& kernels() { return kernels(base::active_simd_level()); }
// Names of the members of KernelTable.
std::span<const std::string_view> kernel_names();

inline Lane lane_of(Physical p) { return static_cast<Lane>(static_cast<int>(p) - static_cast<int>(Physical::kInt8)); }
inline int width_class(int bytes) { return __builtin_ctz(static_cast<unsigned>(bytes)); }

}  // namespace gristmill::column::simd
