// The inner loops of exact sums, one set a SIMD level. Sums are exact, so every level gives the same value by
// construction; what a level turns away (`outside`) is added by the caller through the scalar path.
//
// Raw pointers only: these files are compiled with the level's flags, and a function template of the standard
// library instantiated there could be picked by the linker for all.
#pragma once

#include <cstdint>

namespace gristmill::column {

// Exponents of units whose sums are all zero, or normal doubles.
inline constexpr int kLeastRounded = -1022, kMostRounded = 896;
inline constexpr int kExactBlock = 1024;  // most rows of a call: 2^10 values of 2^116 units stay below 2^127

// The moments of K variables: rows, sums, and sums of products as 256-bit two's complement in the product of the
// variables' units. Products in the order (0,0), (1,0), (1,1). Zero-initialised.
template <int K>
struct ExactMomentState {
  static constexpr int kProducts = K * (K + 1) / 2;
  int64_t count;
  __int128 sum[K];
  unsigned long long product[kProducts][4];  // the type the carry instructions' intrinsics want
};

struct ExactKernels {
  // sum (two limbs) = the units of the rows that fit the window, together. The other rows' indices go to `outside`; their number is
  // returned. `valid` is a bitmap from bit 0, or null: all rows; rows that are not valid are skipped.
  int (*sum_block)(const double* x, const uint64_t* valid, int n, int exponent, uint64_t* sum, uint16_t* outside);
  // The units of each row as two limbs: zero for rows that are not valid or lie outside; low and high have room for a
  // multiple of 8 rows.
  int (*units_block)(const double* x, const uint64_t* valid, int n, int exponent, uint64_t* low, uint64_t* high, uint16_t* outside);
  // states[groups[i]] (two limbs each) += the units of row i; rows that do not fit and rows that would overflow
  // their state go to `outside` and change nothing. groups[i] must be a state even where row i is not valid.
  int (*group_block)(uint64_t* states, const uint32_t* groups, const double* x, const uint64_t* valid, int n, int exponent,
                     uint16_t* outside);
  // The same for moments; row i has the variables x[0][i] .. x[K - 1][i] and goes outside when one of them does.
  int (*moments_of_one)(ExactMomentState<1>* states, const uint32_t* groups, const double* const* x, const uint64_t* valid, int n,
                        const int* exponents, uint16_t* outside);
  int (*moments_of_two)(ExactMomentState<2>* states, const uint32_t* groups, const double* const* x, const uint64_t* valid, int n,
                        const int* exponents, uint16_t* outside);
  // sum (two limbs) += all values; n < 2^30.
  void (*sum_int64)(const int64_t* x, int64_t n, uint64_t* sum);
  void (*sum_int32)(const int32_t* x, int64_t n, uint64_t* sum);
  // out[i] = (sums[0][i], sums[1][i]) - (sums[2][i], sums[3][i]), low and high halves of units 2^exponent, rounded once; the exponent
  // within the bounds above.
  void (*round_differences)(const uint64_t* const* sums, int n, int exponent, double* out);
};

extern const ExactKernels kPortableExactKernels;
extern const ExactKernels kAvx2ExactKernels;
extern const ExactKernels kAvx512ExactKernels;

}  // namespace gristmill::column
