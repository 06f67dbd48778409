// + - * / of columns and constants, minimum and maximum. Included by kernels-inl.h only.
//
// Integers wrap and tell whether any lane overflowed. A NaN result is the one NaN, because which operand's payload
// survives depends on the order a compiler chose.

template <typename T>
inline T one_nan(T r) {
  return r != r ? static_cast<T>(__builtin_nan("")) : r;
}

template <int kOp, typename T>
inline T float_result(T a, T b) {
  if constexpr (kOp == kAdd) return one_nan<T>(a + b);
  if constexpr (kOp == kSubtract) return one_nan<T>(a - b);
  if constexpr (kOp == kMultiply) return one_nan<T>(a * b);
  if constexpr (kOp == kDivide) return one_nan<T>(a / b);
}

template <typename T>
inline constexpr bool kIsSigned = static_cast<T>(-1) < static_cast<T>(0);

template <typename T>
inline constexpr T kSmallest = kIsSigned<T> ? static_cast<T>(static_cast<T>(1) << (sizeof(T) * 8 - 1)) : static_cast<T>(0);

// `trouble` collects a non-zero value when a lane overflows; for + and - without branches, so that the loop vectorises.
template <int kOp, typename T, typename Trouble>
inline T integer_result(T a, T b, Trouble& overflow, unsigned& zero) {
  if constexpr (kOp == kDivide) {
    if (b == 0) {
      zero = 1;
      return 0;
    }
    if constexpr (kIsSigned<T>) {
      if (b == static_cast<T>(-1) && a == kSmallest<T>) {
        overflow = 1;
        return a;
      }
    }
    return static_cast<T>(a / b);
  } else {
    T r;
    bool over;
    if constexpr (kOp == kAdd) over = __builtin_add_overflow(a, b, &r);
    if constexpr (kOp == kSubtract) over = __builtin_sub_overflow(a, b, &r);
    if constexpr (kOp == kMultiply) over = __builtin_mul_overflow(a, b, &r);
    overflow |= static_cast<Trouble>(over);
    return r;
  }
}

// Narrow lanes (8 to 32 bits) + - *: exact in the double width, compared with what is left after narrowing.
template <int kOp, typename T, typename W, typename U>
inline T narrow_result(T a, T b, U& overflow) {
  const W x = static_cast<W>(a), y = static_cast<W>(b);
  const W r = kOp == kAdd ? x + y : kOp == kSubtract ? x - y : x * y;
  const T t = static_cast<T>(r);
  overflow |= static_cast<U>(r != static_cast<W>(t));
  return t;
}

// 64-bit *: factors of 32 bits have a product of 64, which needs no look at each lane.
template <typename T>
inline uint64_t beyond_half(T v) {
  return kIsSigned<T> ? (static_cast<uint64_t>(v) + (uint64_t{1} << 31)) >> 32 : static_cast<uint64_t>(v) >> 32;
}

// How many rows it did, up to the first block that has a larger factor.
template <typename T, typename Left, typename Right>
inline int64_t multiply_halves(Left left, Right right, int64_t n, T* o) {
  constexpr int64_t kBlock = 1024;
  for (int64_t at = 0; at < n; at += kBlock) {
    const int64_t end = at + kBlock < n ? at + kBlock : n;
    uint64_t beyond = 0;
    for (int64_t i = at; i < end; ++i) {
      const T a = left(i), b = right(i);
      beyond |= beyond_half(a) | beyond_half(b);
      o[i] = static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    }
    if (beyond != 0) return at;
  }
  return n;
}

// 64-bit + and -: signed overflow is a sign bit, unsigned a carry.
template <int kOp, typename T>
inline T wide_sum_result(T a, T b, uint64_t& overflow) {
  const uint64_t x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
  const uint64_t r = kOp == kAdd ? x + y : x - y;
  if constexpr (kIsSigned<T>) {
    overflow |= kOp == kAdd ? (x ^ r) & (y ^ r) : (x ^ y) & (x ^ r);
  } else {
    overflow |= static_cast<uint64_t>(kOp == kAdd ? r < x : x < y) << 63;
  }
  return static_cast<T>(r);
}

template <typename T>
struct Wider;
template <>
struct Wider<int8_t> {
  using Type = int16_t;
};
template <>
struct Wider<int16_t> {
  using Type = int32_t;
};
template <>
struct Wider<int32_t> {
  using Type = int64_t;
};
template <>
struct Wider<uint8_t> {
  using Type = int32_t;
};
template <>
struct Wider<uint16_t> {
  using Type = int64_t;
};
template <>
struct Wider<uint32_t> {
  using Type = int64_t;
};

template <int kOp, int kShape, typename T>
unsigned calculate(const void* a, const void* b, int64_t n, void* out) {
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  T* o = static_cast<T*>(out);
  const auto left = [x](int64_t i) { return x[kShape == kConstColumn ? 0 : i]; };
  const auto right = [y](int64_t i) { return y[kShape == kColumnConst ? 0 : i]; };
  if constexpr (kIsFloat<T>) {
    for (int64_t i = 0; i < n; ++i) o[i] = float_result<kOp>(left(i), right(i));
    return kFine;
  } else if constexpr (sizeof(T) <= 4 && kOp != kDivide && !(sizeof(T) == 4 && kOp == kMultiply && !kIsSigned<T>)) {
    T overflow = 0;
    for (int64_t i = 0; i < n; ++i) o[i] = narrow_result<kOp, T, typename Wider<T>::Type>(left(i), right(i), overflow);
    return overflow ? kOverflow : kFine;
  } else if constexpr (sizeof(T) == 8 && (kOp == kAdd || kOp == kSubtract)) {
    uint64_t overflow = 0;
    for (int64_t i = 0; i < n; ++i) o[i] = wide_sum_result<kOp>(left(i), right(i), overflow);
    return overflow >> 63 ? kOverflow : kFine;
  } else {
    unsigned overflow = 0, zero = 0;
    int64_t done = 0;
    if constexpr (sizeof(T) == 8 && kOp == kMultiply) done = multiply_halves<T>(left, right, n, o);
    for (int64_t i = done; i < n; ++i) o[i] = integer_result<kOp>(left(i), right(i), overflow, zero);
    return (overflow ? kOverflow : kFine) | (zero ? kZeroDivisor : kFine);
  }
}

template <int kOp, int kShape>
unsigned calculate_int128(const void* a, const void* b, int64_t n, void* out) {
  const Wide* x = static_cast<const Wide*>(a);
  const Wide* y = static_cast<const Wide*>(b);
  Wide* o = static_cast<Wide*>(out);
  unsigned overflow = 0, zero = 0;
  for (int64_t i = 0; i < n; ++i) {
    const __int128 r =
        integer_result<kOp>(int128_of(x[kShape == kConstColumn ? 0 : i]), int128_of(y[kShape == kColumnConst ? 0 : i]), overflow, zero);
    __builtin_memcpy(o + i, &r, 16);
  }
  return (overflow ? kOverflow : kFine) | (zero ? kZeroDivisor : kFine);
}

// Values as integers that order like them: floats by their canonical bits, the lower bits of negatives flipped.
inline int32_t order_key(float v) {
  const int32_t b = static_cast<int32_t>(canonical_bits(v));
  return b ^ ((b >> 31) & 0x7fffffff);
}
inline int64_t order_key(double v) {
  const int64_t b = static_cast<int64_t>(canonical_bits(v));
  return b ^ ((b >> 63) & 0x7fffffffffffffffLL);
}
template <typename T>
inline T order_key(T v) {
  return v;
}
inline void write_key(int32_t key, float* out) {
  key ^= (key >> 31) & 0x7fffffff;
  __builtin_memcpy(out, &key, 4);
}
inline void write_key(int64_t key, double* out) {
  key ^= (key >> 63) & 0x7fffffffffffffffLL;
  __builtin_memcpy(out, &key, 8);
}
template <typename T>
inline void write_key(T key, T* out) {
  __builtin_memcpy(out, &key, sizeof(T));
}

inline __int128 value_at(const Wide* v, int64_t i) { return int128_of(v[i]); }
template <typename T>
inline T value_at(const T* v, int64_t i) {
  return v[i];
}

// T: the type in memory, V: the type of a value (Wide -> __int128).
template <typename T, typename V>
int64_t min_max(const void* values, const uint64_t* words, int64_t n, void* min, void* max) {
  const T* v = static_cast<const T*>(values);
  using Key = decltype(order_key(V{}));
  Key low{}, high{};
  int64_t seen = 0;
  for (int64_t at = 0, i = 0; at < n; at += 64, ++i) {
    const int64_t here = n - at < 64 ? n - at : 64;
    uint64_t m = words ? words[i] : low_bits(here);
    if (m == 0) continue;
    if (seen == 0) low = high = order_key(value_at(v, at + __builtin_ctzll(m)));
    seen += __builtin_popcountll(m);
    if (m == ~uint64_t{0}) {
      for (int64_t j = 0; j < 64; ++j) {
        const Key k = order_key(value_at(v, at + j));
        low = k < low ? k : low;
        high = k > high ? k : high;
      }
    } else {
      for (; m; m &= m - 1) {
        const Key k = order_key(value_at(v, at + __builtin_ctzll(m)));
        low = k < low ? k : low;
        high = k > high ? k : high;
      }
    }
  }
  if (seen) {
    write_key(low, static_cast<V*>(min));
    write_key(high, static_cast<V*>(max));
  }
  return seen;
}
