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
  for (int64_t i = 0; i < n; ++i) {
    const View v = view_of(values, i);
    out[i] = hash_words(v.w0, v.w1);
  }
}

void hash_views(const void* views, const uint8_t* const* buffers, int64_t n, uint64_t* out) {
  for (int64_t i = 0; i < n; ++i) {
    const View v = view_of(views, i);
    out[i] = v.size() <= 12 ? hash_inline_view(v.w0, v.w1) : hash_long_text(text_of(views, buffers, v, i), v.size());
  }
}

void combine_hashes(uint64_t* hashes, const uint64_t* more, int64_t n) {
  for (int64_t i = 0; i < n; ++i) hashes[i] = combine_hash(hashes[i], more[i]);
}
