// Sums of integers and decimals, exact until the end: overflow is a property of the result, never of an order.
//
// Integers up to 64 bits sum in 128 bits, which 2^63 rows cannot overflow. Decimals are 128 bits themselves and sum
// in 192. The last step says whether the total fits what the aggregate promises.
#pragma once

#include <cstdint>
#include <optional>

namespace gristmill::column {

// `validity` (null: all valid) is a bitmap read from bit `validity_offset`. Vectorised where rows are all valid.
__int128 sum_integers(const int64_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n);
__int128 sum_integers(const int32_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n);
__int128 sum_integers(const int16_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n);
__int128 sum_integers(const int8_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n);
__int128 sum_integers(const uint64_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n);
__int128 sum_integers(const uint32_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n);
__int128 sum_integers(const uint16_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n);
__int128 sum_integers(const uint8_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n);

// sums[groups[i]] += x[i] for the valid rows; every groups[i] must be a state. Int: the eight types above.
template <class Int>
void add_grouped_integers(__int128* sums, const uint32_t* groups, const Int* x, const uint8_t* validity, int64_t validity_offset,
                          int64_t n);

// The total as the result type, or nothing: the aggregate overflowed.
std::optional<int64_t> as_int64(__int128 sum);
std::optional<uint64_t> as_uint64(__int128 sum);
// Within decimal(precision); at most 38 digits.
std::optional<__int128> as_decimal(__int128 sum, int precision = 38);

// The state of a decimal sum, zero-initialised.
struct DecimalSum {
  uint64_t low = 0, middle = 0;
  int64_t high = 0;

  inline void add(__int128 v);
  void subtract(__int128 v);
  void merge(const DecimalSum& other);
  // Nothing when the sum has more than `precision` digits.
  std::optional<__int128> value(int precision = 38) const;
  // The unscaled sum / (n * 10^scale) for n > 0, rounded once: the average of a decimal column.
  double value_over(int64_t n, int scale) const;
};

// Values of 16 bytes, little-endian, as Arrow stores decimal128; x may have any alignment.
void add_decimals(DecimalSum& sum, const uint8_t* x, const uint8_t* validity, int64_t validity_offset, int64_t n);
void add_grouped_decimals(DecimalSum* sums, const uint32_t* groups, const uint8_t* x, const uint8_t* validity, int64_t validity_offset,
                          int64_t n);

inline void DecimalSum::add(__int128 v) {
  const unsigned __int128 mine = static_cast<unsigned __int128>(middle) << 64 | low;
  const unsigned __int128 sum = mine + static_cast<unsigned __int128>(v);
  high += static_cast<int64_t>(v >> 127) + (sum < mine ? 1 : 0);
  low = static_cast<uint64_t>(sum);
  middle = static_cast<uint64_t>(sum >> 64);
}

}  // namespace gristmill::column
