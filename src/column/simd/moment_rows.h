// Rows into moment states. Products of 53-bit integers have 106 bits and are exact, so x * x of every value inside
// the window of x fits 256 bits in the unit of x squared: no product ever needs an error term.
//
// A step of rows is turned into two's complement limbs with vectors, column by column of limbs, then added to the
// states with carries. Included by each level's file after it has defined in its own unnamed namespace
//   Vec              a vector of uint64_t (GCC's vector extension)
//   multiply_low     Vec x Vec: products of the lanes' low 32 bits
// so the code is compiled with that level's flags and shared with no other level.

namespace gristmill::column {
namespace {

constexpr int kLanes = sizeof(Vec) / sizeof(uint64_t);
constexpr int kMomentStep = 64;
static_assert(kMomentStep == 64 && 64 % kLanes == 0, "a step reads one word of the validity bitmap");

using Limb = uint64_t[kMomentStep];

template <int K>
struct MomentLimbs {
  alignas(64) Limb sum[K][2];
  alignas(64) Limb product[ExactMomentState<K>::kProducts][4];
  alignas(64) Limb outside;  // all ones or zero
};

inline Vec splat(uint64_t v) { return Vec{} + v; }
inline Vec mask_of_sign(Vec v) { return 0 - (v >> 63); }

inline void store(Vec v, uint64_t* to) { __builtin_memcpy(to, &v, sizeof v); }

struct MomentValues {
  Vec magnitude;  // zero for zeros and where the row is not live or outside
  Vec sign;       // all ones where negative and not zero
  Vec shift;      // 0 .. 63
};

inline MomentValues decode(Vec bits, Vec live, Vec base, Vec* outside) {
  MomentValues v;
  v.shift = (bits >> 52 & 0x7ff) - base;
  const Vec inside = reinterpret_cast<Vec>(v.shift < 64) & live;
  v.magnitude = ((bits & 0xfffffffffffffULL) | 0x10000000000000ULL) & inside;
  v.sign = mask_of_sign(bits) & inside;
  *outside |= live & ~inside & reinterpret_cast<Vec>((bits << 1) != 0);
  v.shift &= 63;
  return v;
}

inline void store_value(const MomentValues& v, int at, Limb* limbs) {
  // Adding the sign to the magnitude before flipping both halves is two's complement negation.
  const Vec reduced = v.magnitude + v.sign;
  store(((reduced ^ v.sign) << v.shift), limbs[0] + at);
  store(((reduced >> 1) >> (63 - v.shift)) ^ v.sign, limbs[1] + at);
}

inline void store_product(const MomentValues& a, const MomentValues& b, int at, Limb* limbs) {
  const Vec a_high = a.magnitude >> 32, b_high = b.magnitude >> 32;
  const Vec low = multiply_low(a.magnitude, b.magnitude);
  const Vec middle = multiply_low(a_high, b.magnitude) + multiply_low(a.magnitude, b_high);  // below 2^54
  Vec p0 = low + (middle << 32);
  Vec p1 = multiply_low(a_high, b_high) + (middle >> 32) - reinterpret_cast<Vec>(p0 < low);
  const Vec sign = a.sign ^ b.sign;
  p1 = (p1 ^ sign) - (sign & reinterpret_cast<Vec>(p0 == 0));
  p0 = (p0 ^ sign) - sign;
  const Vec extension = mask_of_sign(p1);
  const Vec shift = a.shift + b.shift;  // 0 .. 126: whole limbs, then bits
  const Vec part = shift & 63, left = 63 - part;
  const Vec up = 0 - (shift >> 6);
  const Vec q0 = p0 << part;
  const Vec q1 = p1 << part | (p0 >> 1) >> left;
  const Vec q2 = (((p1 ^ extension) >> 1) >> left) ^ extension;
  store(q0 & ~up, limbs[0] + at);
  store((q1 & ~up) | (q0 & up), limbs[1] + at);
  store((q2 & ~up) | (q1 & up), limbs[2] + at);
  store((extension & ~up) | (q2 & up), limbs[3] + at);
}

// Limbs of up to a step of rows; `live` has a bit a row, and so has the answer: the rows outside.
template <int K>
uint64_t prepare_moments(const double* const* x, int first, int rows, uint64_t live, const int* exponents, MomentLimbs<K>* limbs) {
  Vec any_outside = {};
  Vec lane_numbers;
  for (int k = 0; k < kLanes; ++k) lane_numbers[k] = static_cast<uint64_t>(k);
  for (int j = 0; j < rows; j += kLanes) {
    const Vec live_lanes = 0 - ((splat(live >> j) >> lane_numbers) & 1);
    Vec outside = {};
    MomentValues values[K];
    for (int v = 0; v < K; ++v) {
      Vec bits = {};
      const double* from = x[v] + first + j;
      if (rows - j >= kLanes) {
        __builtin_memcpy(&bits, from, sizeof bits);
      } else {
        __builtin_memcpy(&bits, from, sizeof(double) * static_cast<unsigned>(rows - j));
      }
      values[v] = decode(bits, live_lanes, splat(static_cast<uint64_t>(int64_t{1075} + exponents[v])), &outside);
      store_value(values[v], j, limbs->sum[v]);
    }
    int p = 0;
    for (int v = 0; v < K; ++v) {
      for (int w = 0; w <= v; ++w, ++p) store_product(values[v], values[w], j, limbs->product[p]);
    }
    store(outside, limbs->outside + j);
    any_outside |= outside;
  }
  uint64_t any = 0;
  for (int k = 0; k < kLanes; ++k) any |= any_outside[k];
  if (__builtin_expect(any == 0, 1)) return 0;
  uint64_t strays = 0;
  for (int j = 0; j < rows; ++j) strays |= (limbs->outside[j] & 1) << j;
  return strays;
}

// GCC would gather the four sums of add_four into one vector store, which costs more than the sums.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("no-tree-slp-vectorize")
#endif

inline void add_four(unsigned long long* sum, uint64_t v0, uint64_t v1, uint64_t v2, uint64_t v3) {
#if defined(__x86_64__)
  unsigned char carry = _addcarry_u64(0, sum[0], v0, &sum[0]);
  carry = _addcarry_u64(carry, sum[1], v1, &sum[1]);
  carry = _addcarry_u64(carry, sum[2], v2, &sum[2]);
  _addcarry_u64(carry, sum[3], v3, &sum[3]);
#else
  using Wide = unsigned __int128;
  const Wide low = static_cast<Wide>(v1) << 64 | v0, high = static_cast<Wide>(v3) << 64 | v2;
  Wide total = static_cast<Wide>(sum[1]) << 64 | sum[0];
  const uint64_t carry = __builtin_add_overflow(total, low, &total);
  sum[0] = static_cast<uint64_t>(total);
  sum[1] = static_cast<uint64_t>(total >> 64);
  total = (static_cast<Wide>(sum[3]) << 64 | sum[2]) + high + carry;
  sum[2] = static_cast<uint64_t>(total);
  sum[3] = static_cast<uint64_t>(total >> 64);
#endif
}

// The top bit is set when a number is beyond a quarter of what its limbs hold; one value is far smaller than that.
inline uint64_t nearly_full(uint64_t top) { return top + (uint64_t{1} << 62); }

template <int K>
int moments_block(ExactMomentState<K>* states, const uint32_t* groups, const double* const* x, const uint64_t* valid, int n,
                  const int* exponents, uint16_t* outside) {
  MomentLimbs<K> limbs;
  int count = 0;
  for (int first = 0; first < n; first += kMomentStep) {
    const int rows = n - first < kMomentStep ? n - first : kMomentStep;
    const uint64_t present = rows == 64 ? ~uint64_t{0} : (uint64_t{1} << rows) - 1;
    const uint64_t live = valid == nullptr ? present : valid[first / 64] & present;
    const uint64_t strays = prepare_moments<K>(x, first, rows, live, exponents, &limbs);
    const uint64_t counted = live & ~strays;
    for (int j = 0; j < rows; ++j) {
      ExactMomentState<K>& state = states[groups[first + j]];
      uint64_t full = 0;
      for (int v = 0; v < K; ++v) full |= nearly_full(static_cast<uint64_t>(state.sum[v] >> 64));
      for (int p = 0; p < ExactMomentState<K>::kProducts; ++p) full |= nearly_full(state.product[p][3]);
      if (__builtin_expect((full >> 63 | (strays >> j & 1)) != 0, 0)) {
        if ((live >> j & 1) != 0) outside[count++] = static_cast<uint16_t>(first + j);
        continue;
      }
      state.count += static_cast<int64_t>(counted >> j & 1);
      for (int v = 0; v < K; ++v) {
        const unsigned __int128 units = static_cast<unsigned __int128>(limbs.sum[v][1][j]) << 64 | limbs.sum[v][0][j];
        state.sum[v] = static_cast<__int128>(static_cast<unsigned __int128>(state.sum[v]) + units);
      }
      for (int p = 0; p < ExactMomentState<K>::kProducts; ++p) {
        const Limb* from = limbs.product[p];
        add_four(state.product[p], from[0][j], from[1][j], from[2][j], from[3][j]);
      }
    }
  }
  return count;
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

}  // namespace
}  // namespace gristmill::column
