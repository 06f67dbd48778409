// Sums wrap at 128 bits on their way; what is asked for are differences, which are known to fit.

#include "column/exact_running.h"

#include <algorithm>
#include <bit>

#include "column/buffers.h"
#include "column/exact_block.h"

namespace gristmill::column {
namespace {

using Wide = unsigned __int128;

int bit_count(uint64_t v) { return static_cast<int>(std::bit_width(v)); }

constexpr uint64_t kNothingBefore[RunningSums::kBlock] = {};

}  // namespace

arrow::Result<bool> RunningSums::make(const double* x, const uint8_t* validity, int64_t validity_offset, int64_t n, const ExactUnit& unit,
                                      ExactSum before, arrow::MemoryPool* pool) {
  if (unit.exponent() < kLeastRounded || unit.exponent() > kMostRounded) return false;
  exponent_ = unit.exponent();
  ARROW_ASSIGN_OR_RAISE(low_, allocate_buffer((n + 1) * 8, pool));
  ARROW_ASSIGN_OR_RAISE(high_, allocate_buffer((n + 1) * 8, pool));
  auto* const low = reinterpret_cast<uint64_t*>(low_->mutable_data());
  auto* const high = reinterpret_cast<uint64_t*>(high_->mutable_data());
  const ExactKernels& kernels = exact_kernels();
  alignas(64) uint64_t lows[kExactBlock];
  alignas(64) uint64_t highs[kExactBlock];
  uint16_t outside[kExactBlock];
  Wide sum = static_cast<Wide>(before.units);
  low[0] = static_cast<uint64_t>(sum);
  high[0] = static_cast<uint64_t>(sum >> 64);
  uint64_t used = 0;  // bits of the high halves that any value needs
  bool all_inside = true;
  for_each_block(validity, validity_offset, n, [&](int64_t first, int rows, const uint64_t* valid) {
    all_inside &= kernels.units_block(x + first, valid, rows, exponent_, lows, highs, outside) == 0;
    uint64_t* const to_low = low + first + 1;
    uint64_t* const to_high = high + first + 1;
    for (int i = 0; i < rows; ++i) {
      sum += static_cast<Wide>(highs[i]) << 64 | lows[i];
      to_low[i] = static_cast<uint64_t>(sum);
      to_high[i] = static_cast<uint64_t>(sum >> 64);
      used |= highs[i] ^ static_cast<uint64_t>(static_cast<int64_t>(highs[i]) >> 63);
    }
  });
  const Wide start = static_cast<Wide>(before.units < 0 ? ~before.units : before.units);
  const int values = 64 + bit_count(used) + bit_count(static_cast<uint64_t>(n));
  const int start_bits = start >> 64 != 0 ? 64 + bit_count(static_cast<uint64_t>(start >> 64)) : bit_count(static_cast<uint64_t>(start));
  return all_inside && std::max(values, start_bits) + 1 <= 127;
}

void RunningSums::round(int64_t low, int64_t high, int n, double* out) const {
  const uint64_t* const sums[4] = {lows() + high, highs() + high, lows() + low, highs() + low};
  exact_kernels().round_differences(sums, n, exponent_, out);
}

void RunningSums::round_from_start(int64_t high, int n, double* out) const {
  const uint64_t* const sums[4] = {lows() + high, highs() + high, kNothingBefore, kNothingBefore};
  exact_kernels().round_differences(sums, n, exponent_, out);
}

void RunningSums::round_each(const int64_t* low, const int64_t* high, int n, double* out) const {
  uint64_t found[4][kBlock];
  for (int i = 0; i < n; ++i) {
    found[0][i] = lows()[high[i]];
    found[1][i] = highs()[high[i]];
    found[2][i] = low[i] < 0 ? 0 : lows()[low[i]];
    found[3][i] = low[i] < 0 ? 0 : highs()[low[i]];
  }
  const uint64_t* const sums[4] = {found[0], found[1], found[2], found[3]};
  exact_kernels().round_differences(sums, n, exponent_, out);
}

}  // namespace gristmill::column
