// Wide accumulators for narrow numbers.

#include "column/exact_integers.h"

#include <cstring>
#include <limits>

#include "column/exact_block.h"
#include "column/exact_number.h"

namespace gristmill::column {
namespace {

// The kernels' halves do not overflow below this many rows.
constexpr int64_t kKernelRows = int64_t{1} << 29;

bool is_set(const uint64_t* valid, int i) { return valid == nullptr || (valid[i >> 6] >> (i & 63) & 1) != 0; }

// No branch on the validity: nulls may come in any pattern.
template <class Int>
__int128 sum_scalar(const Int* x, const uint8_t* validity, int64_t validity_offset, int64_t n) {
  __int128 total = 0;
  for_each_block(validity, validity_offset, n, [&](int64_t first, int rows, const uint64_t* valid) {
    if constexpr (sizeof(Int) < 8) {
      int64_t sum = 0;
      if (valid == nullptr) {
        for (int i = 0; i < rows; ++i) sum += x[first + i];
      } else {
        for (int i = 0; i < rows; ++i) sum += static_cast<int64_t>(x[first + i]) & -static_cast<int64_t>(valid[i >> 6] >> (i & 63) & 1);
      }
      total += sum;
    } else {
      for (int i = 0; i < rows; ++i) total += is_set(valid, i) ? static_cast<__int128>(x[first + i]) : 0;
    }
  });
  return total;
}

template <class Int, class Kernel>
__int128 sum_with(Kernel kernel, const Int* x, int64_t n) {
  uint64_t limbs[2] = {0, 0};
  for (int64_t first = 0; first < n; first += kKernelRows) kernel(x + first, n - first < kKernelRows ? n - first : kKernelRows, limbs);
  return static_cast<__int128>(static_cast<unsigned __int128>(limbs[1]) << 64 | limbs[0]);
}

__int128 load_decimal(const uint8_t* x, int64_t i) {
  __int128 v;
  std::memcpy(&v, x + 16 * i, sizeof v);
  return v;
}

unsigned __int128 power_of_ten(int digits) {
  unsigned __int128 power = 1;
  for (int i = 0; i < digits; ++i) power *= 10;
  return power;
}

}  // namespace

__int128 sum_integers(const int64_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n) {
  if (validity == nullptr) return sum_with(exact_kernels().sum_int64, x, n);
  return sum_scalar(x, validity, validity_offset, n);
}

__int128 sum_integers(const int32_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n) {
  if (validity == nullptr) return sum_with(exact_kernels().sum_int32, x, n);
  return sum_scalar(x, validity, validity_offset, n);
}

__int128 sum_integers(const int16_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n) {
  return sum_scalar(x, validity, validity_offset, n);
}

__int128 sum_integers(const int8_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n) {
  return sum_scalar(x, validity, validity_offset, n);
}

__int128 sum_integers(const uint64_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n) {
  return sum_scalar(x, validity, validity_offset, n);
}

__int128 sum_integers(const uint32_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n) {
  return sum_scalar(x, validity, validity_offset, n);
}

__int128 sum_integers(const uint16_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n) {
  return sum_scalar(x, validity, validity_offset, n);
}

__int128 sum_integers(const uint8_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n) {
  return sum_scalar(x, validity, validity_offset, n);
}

template <class Int>
void add_grouped_integers(__int128* sums, const uint32_t* groups, const Int* x, const uint8_t* validity, int64_t validity_offset,
                          int64_t n) {
  for_each_block(validity, validity_offset, n, [&](int64_t first, int rows, const uint64_t* valid) {
    if (valid == nullptr) {
      for (int i = 0; i < rows; ++i) sums[groups[first + i]] += x[first + i];
      return;
    }
    for (int i = 0; i < rows; ++i) {
      const __int128 keep = -static_cast<__int128>(valid[i >> 6] >> (i & 63) & 1);
      sums[groups[first + i]] += static_cast<__int128>(x[first + i]) & keep;
    }
  });
}

template void add_grouped_integers(__int128*, const uint32_t*, const int64_t*, const uint8_t*, int64_t, int64_t);
template void add_grouped_integers(__int128*, const uint32_t*, const int32_t*, const uint8_t*, int64_t, int64_t);
template void add_grouped_integers(__int128*, const uint32_t*, const int16_t*, const uint8_t*, int64_t, int64_t);
template void add_grouped_integers(__int128*, const uint32_t*, const int8_t*, const uint8_t*, int64_t, int64_t);
template void add_grouped_integers(__int128*, const uint32_t*, const uint64_t*, const uint8_t*, int64_t, int64_t);
template void add_grouped_integers(__int128*, const uint32_t*, const uint32_t*, const uint8_t*, int64_t, int64_t);
template void add_grouped_integers(__int128*, const uint32_t*, const uint16_t*, const uint8_t*, int64_t, int64_t);
template void add_grouped_integers(__int128*, const uint32_t*, const uint8_t*, const uint8_t*, int64_t, int64_t);

std::optional<int64_t> as_int64(__int128 sum) {
  if (sum < std::numeric_limits<int64_t>::min() || sum > std::numeric_limits<int64_t>::max()) return std::nullopt;
  return static_cast<int64_t>(sum);
}

std::optional<uint64_t> as_uint64(__int128 sum) {
  if (sum < 0 || sum > std::numeric_limits<uint64_t>::max()) return std::nullopt;
  return static_cast<uint64_t>(sum);
}

std::optional<__int128> as_decimal(__int128 sum, int precision) {
  const unsigned __int128 magnitude = sum < 0 ? -static_cast<unsigned __int128>(sum) : static_cast<unsigned __int128>(sum);
  if (magnitude >= power_of_ten(precision)) return std::nullopt;
  return sum;
}

void DecimalSum::subtract(__int128 v) {
  const unsigned __int128 mine = static_cast<unsigned __int128>(middle) << 64 | low;
  const unsigned __int128 difference = mine - static_cast<unsigned __int128>(v);
  high -= static_cast<int64_t>(v >> 127) + (difference > mine ? 1 : 0);
  low = static_cast<uint64_t>(difference);
  middle = static_cast<uint64_t>(difference >> 64);
}

void DecimalSum::merge(const DecimalSum& other) {
  const unsigned __int128 mine = static_cast<unsigned __int128>(middle) << 64 | low;
  const unsigned __int128 sum = mine + (static_cast<unsigned __int128>(other.middle) << 64 | other.low);
  high += other.high + (sum < mine ? 1 : 0);
  low = static_cast<uint64_t>(sum);
  middle = static_cast<uint64_t>(sum >> 64);
}

std::optional<__int128> DecimalSum::value(int precision) const {
  const __int128 sum = static_cast<__int128>(static_cast<unsigned __int128>(middle) << 64 | low);
  if (high != static_cast<int64_t>(sum >> 127)) return std::nullopt;
  return as_decimal(sum, precision);
}

double DecimalSum::value_over(int64_t n, int scale) const {
  const uint64_t limbs[3] = {low, middle, static_cast<uint64_t>(high)};
  const ExactNumber sum = exact_number(limbs, 3, 0);
  const ExactNumber ten = exact_number(static_cast<__int128>(power_of_ten(scale < 0 ? -scale : scale)), 0);
  const ExactNumber rows = exact_number(n, 0);
  if (scale < 0) return rounded_quotient(exact_multiply(sum, ten), rows);
  return rounded_quotient(sum, exact_multiply(ten, rows));
}

void add_decimals(DecimalSum& sum, const uint8_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n) {
  DecimalSum total = sum;
  for_each_block(validity, validity_offset, n, [&](int64_t first, int rows, const uint64_t* valid) {
    for (int i = 0; i < rows; ++i) {
      if (is_set(valid, i)) total.add(load_decimal(x, first + i));
    }
  });
  sum = total;
}

void add_grouped_decimals(DecimalSum* sums, const uint32_t* groups, const uint8_t* x, const uint8_t* validity, int64_t validity_offset,
                          int64_t n) {
  for_each_block(validity, validity_offset, n, [&](int64_t first, int rows, const uint64_t* valid) {
    for (int i = 0; i < rows; ++i) {
      if (is_set(valid, i)) sums[groups[first + i]].add(load_decimal(x, first + i));
    }
  });
}

}  // namespace gristmill::column
