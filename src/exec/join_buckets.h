// The hash tables of a join: buckets of one cache line, keys first, then their rows.
//
// Most lookups read one line, found or not, and without branches on data: all keys of the line are compared. A bucket fills
// from the front, so it is full when its last row is there; only then the next bucket may hold the key.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include <arrow/array/data.h>
#include <arrow/buffer.h>

#include "exec/join_table.h"

namespace gristmill::exec {

inline constexpr int64_t kLookupsAhead = 64;  // in flight; 24 leave half of the misses unhidden, more than 64 change nothing

// A row waiting to be put into the table.
struct WordEntry {
  uint64_t low;
  int32_t row;
  int32_t unused;
  uint64_t high() const { return 0; }
  static WordEntry make(uint64_t low, uint64_t, int32_t row) { return {low, row, 0}; }
};

struct PairEntry {
  uint64_t low, high_word;
  int32_t row;
  int32_t unused;
  uint64_t high() const { return high_word; }
  static PairEntry make(uint64_t low, uint64_t high, int32_t row) { return {low, high, row, 0}; }
};

struct alignas(64) WordBucket {
  using Entry = WordEntry;
  static constexpr int kSize = 5;
  uint64_t low[kSize];
  int32_t row[kSize];
  bool holds(int s, uint64_t l, uint64_t) const { return low[s] == l; }
  void put(int s, const Entry& e) {
    low[s] = e.low;
    row[s] = e.row;
  }
};

struct alignas(64) PairBucket {
  using Entry = PairEntry;
  static constexpr int kSize = 3;
  uint64_t low[kSize], high[kSize];
  int32_t row[kSize];
  bool holds(int s, uint64_t l, uint64_t h) const { return (low[s] == l) & (high[s] == h); }
  void put(int s, const Entry& e) {
    low[s] = e.low;
    high[s] = e.high_word;
    row[s] = e.row;
  }
};
static_assert(sizeof(WordBucket) == 64 && sizeof(PairBucket) == 64);

template <typename Bucket>
int64_t buckets_for(int64_t rows) {  // half full
  return 2 * rows / Bucket::kSize + 1;
}

// Where partitions begin and how long they are.
template <typename Bucket>
struct Directory {
  struct Partition {
    Bucket* buckets;
    uint64_t size;
  };
  std::vector<Partition> partitions;
  int bits = 0;

  const Partition& of(uint64_t hash) const { return partitions[bits == 0 ? 0 : hash >> (64 - bits)]; }
  Bucket* home(uint64_t hash) const {
    const Partition& p = of(hash);
    return p.buckets + static_cast<uint64_t>((static_cast<unsigned __int128>(hash << bits) * p.size) >> 64);
  }
  // Only at a partition's end does the walk go back.
  Bucket* after(const Bucket* bucket, uint64_t hash) const {
    const Partition& p = of(hash);
    const uint64_t next = static_cast<uint64_t>(bucket - p.buckets) + 1;
    return p.buckets + (next == p.size ? 0 : next);
  }
};

template <typename Bucket>
class HashTable : public JoinTable {
 public:
  bool hashed() const override { return true; }

  void find(const LookupKeys& keys, LookupScratch& scratch, int32_t* first) const override { find_any<true>(keys, scratch, first); }

  Directory<Bucket> directory;
  std::shared_ptr<arrow::Buffer> buffer;

 protected:
  // first[i]: a row whose words are those of key i. kDistinct: no two places have the same words.
  template <bool kDistinct>
  void find_any(const LookupKeys& keys, LookupScratch& scratch, int32_t* first) const {
    const int64_t n = keys.n;
    scratch.pending.resize(static_cast<size_t>(n));
    scratch.places.resize(static_cast<size_t>(n));
    uint32_t* const pending = scratch.pending.data();
    auto** const at = reinterpret_cast<Bucket**>(scratch.places.data());
    int64_t waiting = 0;
    const auto look = [&](int64_t i) {
      const Bucket& b = *at[i];
      const uint64_t low = keys.low[i], high = Bucket::kSize == PairBucket::kSize ? keys.high[i] : 0;
      int32_t row = 0;  // plus one; a free place holds row -1, so it adds nothing
      for (int s = 0; s < Bucket::kSize; ++s) {
        const int32_t here = -static_cast<int32_t>(b.holds(s, low, high)) & (b.row[s] + 1);
        row = kDistinct ? row + here : std::max(row, here);
      }
      --row;
      first[i] = row;
      pending[waiting] = static_cast<uint32_t>(i);
      waiting += (row < 0) & (b.row[Bucket::kSize - 1] >= 0);
    };
    const int64_t lead = std::min<int64_t>(kLookupsAhead, n);
    for (int64_t i = 0; i < lead; ++i) {
      at[i] = directory.home(keys.hash[i]);
      __builtin_prefetch(at[i]);
    }
    for (int64_t i = 0; i + lead < n; ++i) {
      at[i + lead] = directory.home(keys.hash[i + lead]);
      __builtin_prefetch(at[i + lead]);
      look(i);
    }
    for (int64_t i = n - lead; i < n; ++i) look(i);
    while (waiting > 0) {
      const int64_t round = waiting;
      waiting = 0;
      for (int64_t j = 0; j < round; ++j) {
        const uint32_t i = pending[j];
        at[i] = directory.after(at[i], keys.hash[i]);
        __builtin_prefetch(at[i]);
      }
      for (int64_t j = 0; j < round; ++j) look(pending[j]);
    }
  }
};

// Buckets hold hashes; a row whose hash is met is compared in full.
class ColumnTable final : public HashTable<WordBucket> {
 public:
  void find(const LookupKeys& keys, LookupScratch& scratch, int32_t* first) const override {
    LookupKeys by_hash = keys;
    by_hash.low = keys.hash;
    find_any<false>(by_hash, scratch, first);
    const KeyEquality equal(keys.columns, columns_);
    for (int64_t i = 0; i < keys.n; ++i) {
      if (i + 2 * kLookupsAhead < keys.n) prefetch_view(first[i + 2 * kLookupsAhead]);
      if (i + kLookupsAhead < keys.n) prefetch_text(first[i + kLookupsAhead]);
      if (first[i] < 0) continue;
      const int64_t row = keys.rows ? keys.rows[i] : i;
      if (!equal(row, first[i])) first[i] = walk(keys.hash[i], row, equal);
    }
  }

  void set_columns(std::vector<column::Column> c) {
    columns_ = std::move(c);
    const arrow::ArrayData& d = *columns_[0].values;
    if (!column::is_viewed(*d.type)) return;
    views_ = column::values_of<column::View16>(d);
    for (size_t b = 2; b < d.buffers.size(); ++b) texts_.push_back(reinterpret_cast<const char*>(d.buffers[b]->data()));
  }

 private:
  // Different keys of one hash: from the start, one after the other.
  int32_t walk(uint64_t hash, int64_t row, const KeyEquality& equal) const {
    for (const WordBucket* b = directory.home(hash);; b = directory.after(b, hash)) {
      for (int s = 0; s < WordBucket::kSize; ++s) {
        if (b->row[s] < 0) return kNoRow;
        if (b->low[s] == hash && equal(row, b->row[s])) return b->row[s];
      }
    }
  }
  void prefetch_view(int32_t row) const {
    if (views_ && row >= 0) __builtin_prefetch(views_ + row);
  }
  void prefetch_text(int32_t row) const {
    if (views_ && row >= 0 && !views_[row].is_inline())
      __builtin_prefetch(texts_[static_cast<size_t>(views_[row].ref.buffer)] + views_[row].ref.offset);
  }

  std::vector<column::Column> columns_;
  const column::View16* views_ = nullptr;  // of the first key, if it is a text
  std::vector<const char*> texts_;
};

}  // namespace gristmill::exec
