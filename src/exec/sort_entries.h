// Stable sorting of (key prefix, row) pairs: the inner loop of every sort.
#pragma once

#include <cstdint>

namespace gristmill::exec {

struct SortEntry {
  uint64_t prefix;  // orders like the first 8 bytes of the encoded key
  uint64_t row;
};

// Stable by prefix. `scratch` has room for n entries; the result is in `entries`.
void sort_entries(SortEntry* entries, SortEntry* scratch, int64_t n);

// Range partition of entries by their prefix: bucket b's prefixes are all below bucket b+1's.
class PrefixBuckets {
 public:
  static constexpr int kBits = 11;
  static constexpr int kCount = 1 << kBits;
  // Over all prefixes between min and max.
  PrefixBuckets(uint64_t min, uint64_t max);
  int of(uint64_t prefix) const { return static_cast<int>((prefix - min_) >> shift_); }

 private:
  uint64_t min_;
  int shift_;
};

}  // namespace gristmill::exec
