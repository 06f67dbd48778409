// Gather by index. Included by kernels-inl.h only.
//
// A first pass over the indices finds how far apart they lie and whether any is negative: without negatives the gather needs no
// test, and only rows from more of the source than the L2 cache holds are worth prefetching.

constexpr int64_t kPrefetchBytes = int64_t{1} << 19;
constexpr int64_t kPrefetchAhead = 24;

template <typename T, bool kPrefetch, bool kNegative, typename I>
inline void gather(const T* v, const I* at, int64_t n, T* out) {
  const int64_t body = kPrefetch && n > kPrefetchAhead ? n - kPrefetchAhead : 0;
  int64_t i = 0;
  for (; i < body; ++i) {
    // A prefetch never faults, so a negative index needs no test here.
    __builtin_prefetch(reinterpret_cast<const char*>(v) + static_cast<int64_t>(at[i + kPrefetchAhead]) * static_cast<int64_t>(sizeof(T)));
    out[i] = kNegative && at[i] < 0 ? T{} : v[at[i]];
  }
  for (; i < n; ++i) out[i] = kNegative && at[i] < 0 ? T{} : v[at[i]];
}

template <typename T, typename I>
void take_values(const void* values, const void* indices, int64_t n, void* out) {
  const T* v = static_cast<const T*>(values);
  const I* at = static_cast<const I*>(indices);
  T* o = static_cast<T*>(out);
  if constexpr (sizeof(I) == 2) {
    gather<T, false, false>(v, at, n, o);
  } else {
    I high = 0, all = 0;
    std::make_unsigned_t<I> least = ~std::make_unsigned_t<I>{};  // negative ones are greatest
    for (int64_t i = 0; i < n; ++i) {
      const auto place = static_cast<std::make_unsigned_t<I>>(at[i]);
      least = place < least ? place : least;
      high = at[i] > high ? at[i] : high;
      all |= at[i];
    }
    const I low = static_cast<I>(least) < 0 ? 0 : static_cast<I>(least);
    const bool far = static_cast<int64_t>(high - low) * static_cast<int64_t>(sizeof(T)) > kPrefetchBytes;
    if (all < 0) {
      far ? gather<T, true, true>(v, at, n, o) : gather<T, false, true>(v, at, n, o);
    } else {
      far ? gather<T, true, false>(v, at, n, o) : gather<T, false, false>(v, at, n, o);
    }
  }
}

template <typename I>
int64_t take_bits(const uint8_t* bits, int64_t offset, const void* indices, int64_t n, uint8_t* out) {
  const I* at = static_cast<const I*>(indices);
  int64_t ones = 0;
  for (int64_t start = 0; start < n; start += 64, out += 8, at += 64) {
    const int64_t here = n - start < 64 ? n - start : 64;
    alignas(64) uint8_t flags[64] = {};
    I negative = 0;
    if (sizeof(I) > 2) {
      for (int64_t j = 0; j < here; ++j) negative |= at[j];
    }
    if (!bits) {
      for (int64_t j = 0; j < here; ++j) flags[j] = sizeof(I) == 2 || static_cast<int64_t>(at[j]) >= 0;
    } else if (sizeof(I) == 2 || static_cast<int64_t>(negative) >= 0) {
      for (int64_t j = 0; j < here; ++j) {
        const uint64_t bit = static_cast<uint64_t>(offset + static_cast<int64_t>(at[j]));
        flags[j] = (bits[bit >> 3] >> (bit & 7)) & 1;
      }
    } else {
      for (int64_t j = 0; j < here; ++j) {
        const int64_t bit = offset + static_cast<int64_t>(at[j]);
        flags[j] = static_cast<int64_t>(at[j]) < 0 ? 0 : (bits[bit >> 3] >> (bit & 7)) & 1;
      }
    }
    const uint64_t w = pack_flags(flags);
    ones += __builtin_popcountll(w);
    __builtin_memcpy(out, &w, 8);
  }
  return ones;
}
