// Normalised keys as a TableSet's resolve() wants them: compared with a group's row, and written into a new one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include <arrow/result.h>

#include "exec/group_row.h"
#include "exec/group_table.h"

namespace gristmill::exec {

template <int K>
struct WordKeys {
  const uint64_t* words[K];

  WordKeys(const uint64_t* const* from, int64_t begin) {
    for (int w = 0; w < K; ++w) words[w] = from[w] + begin;
  }
  bool equal(const uint8_t* row, int64_t j) const {
    bool same = true;
    for (int w = 0; w < K; ++w) same &= load<uint64_t>(row + w * 8) == words[w][j];
    return same;
  }
  arrow::Result<uint8_t*> make(int64_t j, GroupTable& table) const {
    ARROW_ASSIGN_OR_RAISE(uint8_t* const row, table.append());
    for (int w = 0; w < K; ++w) store(row + w * 8, words[w][j]);
    return row;
  }
};

struct BlobKeys {
  const Blob* blobs;
  const uint64_t* hashes;
  bool held = false;  // the table holds what long ones point at: no copy

  bool equal(const uint8_t* row, int64_t j) const { return load<Blob>(row) == blobs[j]; }
  // A long key's bytes lie apart from the row; the processor follows on its own beyond the first lines.
  void prefetch(const uint8_t* row) const {
    constexpr uint32_t kLine = 64, kMost = 4 * kLine;
    const auto key = load<Blob>(row);
    if (!key.is_long()) return;
    for (uint32_t at = 0; at < std::min(key.size, kMost); at += kLine) __builtin_prefetch(key.data() + at);
  }
  arrow::Result<uint8_t*> make(int64_t j, GroupTable& table) const {
    Blob key = blobs[j];
    if (key.is_long() && !held) {
      ARROW_ASSIGN_OR_RAISE(uint8_t* const data, table.arena().store(key.bytes(), table.pool()));
      key = Blob::of({reinterpret_cast<const char*>(data), key.size});
    }
    ARROW_ASSIGN_OR_RAISE(uint8_t* const row, table.append());
    store(row, key);
    store(row + sizeof(Blob), hashes[j]);
    return row;
  }
};

// rows[j] = the group of key j, made with order order_of(j) where it is new.
template <typename Keys, typename OrderOf>
arrow::Status find_groups(const RowLayout& layout, const Keys& keys, const uint64_t* hashes, int64_t n, TableSet* tables, uint8_t** rows,
                          OrderOf&& order_of) {
  return tables->resolve(keys, hashes, n, rows, [&](int64_t j, GroupTable& table) -> arrow::Result<uint8_t*> {
    ARROW_ASSIGN_OR_RAISE(uint8_t* const row, keys.make(j, table));
    store<uint64_t>(row + layout.order_offset, order_of(j));
    return row;
  });
}

template <typename OrderOf>
arrow::Status find_word_groups(const RowLayout& layout, const uint64_t* const* words, int64_t begin, const uint64_t* hashes, int64_t n,
                               TableSet* tables, uint8_t** rows, OrderOf&& order_of) {
  switch (layout.words) {
    case 1: return find_groups(layout, WordKeys<1>(words, begin), hashes, n, tables, rows, order_of);
    case 2: return find_groups(layout, WordKeys<2>(words, begin), hashes, n, tables, rows, order_of);
    case 3: return find_groups(layout, WordKeys<3>(words, begin), hashes, n, tables, rows, order_of);
    default: return find_groups(layout, WordKeys<4>(words, begin), hashes, n, tables, rows, order_of);
  }
}

// Of keys that stand in runs, as in a table sorted by them, the first of each run: how many, and where. 0: they do not seem to.
inline int64_t find_runs(const uint64_t* const* words, int count, int64_t begin, int64_t n, uint16_t* starts) {
  constexpr int64_t kSample = 32;
  const auto differ = [&](int64_t j) {
    uint64_t bits = 0;
    for (int w = 0; w < count; ++w) bits |= words[w][begin + j] ^ words[w][begin + j - 1];
    return bits != 0;
  };
  if (n <= kSample) return 0;
  int64_t changes = 0;
  for (int64_t j = 1; j <= kSample; ++j) changes += differ(j);
  if (changes * 2 > kSample) return 0;
  int64_t runs = 1;
  starts[0] = 0;
  for (int64_t j = 1; j < n; ++j) {
    starts[runs] = static_cast<uint16_t>(j);
    runs += differ(j);
  }
  return runs;
}

// The groups' orders become those of rows begin .. begin + n where these are lower.
inline void lower_orders(const RowLayout& layout, uint8_t* const* rows, RowOrders orders, int64_t begin, int64_t n) {
  for (int64_t k = 0; k < n; ++k) {
    uint8_t* const p = rows[k] + layout.order_offset;
    const auto old = load<uint64_t>(p);
    const uint64_t null = old & RowLayout::kNullKey;
    const uint64_t order = orders.at(begin + k);
    store<uint64_t>(p, (order < (old ^ null) ? order : old ^ null) | null);
  }
}

}  // namespace gristmill::exec
