// Hashes of whole columns: loops over hash_mix.h, which vectorise. Included by kernels-inl.h only.

template <typename T>
void hash_values(const void* values, int64_t n, uint64_t* out) {
  const T* v = static_cast<const T*>(values);
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (kIsFloat<T>) {
      out[i] = hash_word(canonical_bits(v[i]));
    } else {
      out[i] = hash_word(static_cast<uint64_t>(static_cast<int64_t>(v[i])));
    }
  }
}

void hash_int128(const void* values, int64_t n, uint64_t* out) {
  const Word* w = static_cast<const Word*>(values);
  for (int64_t i = 0; i < n; ++i) out[i] = hash_words(w[2 * i], w[2 * i + 1]);
}

// As if all were inline, then the others again: a column has mostly one kind.
void hash_views(const void* views, const uint8_t* const* buffers, int64_t n, uint64_t* out) {
  for (int64_t at = 0; at < n; at += 64) {
    const int64_t here = n - at < 64 ? n - at : 64;
    const uint64_t longer = long_views(views, at, here);
    if (longer != low_bits(here)) hash_int128(static_cast<const uint8_t*>(views) + 16 * at, here, out + at);
    for (uint64_t m = longer; m; m &= m - 1) {
      const int64_t i = at + __builtin_ctzll(m);
      const View v = view_of(views, i);
      out[i] = hash_long_text(text_of(views, buffers, v, i), v.size());
    }
  }
}

void combine_hashes(uint64_t* hashes, const uint64_t* more, int64_t n) {
  for (int64_t i = 0; i < n; ++i) hashes[i] = combine_hash(hashes[i], more[i]);
}
