// Least-significant-byte radix sort that skips bytes in which all prefixes agree; insertion sort for a handful.
//
// Stability is the invariant: equal prefixes keep their order, which is the rows' order in the input.

#include "exec/sort_entries.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace gristmill::exec {
namespace {

constexpr int64_t kInsertionRows = 24;
constexpr int64_t kMergeRows = 512;  // below: comparisons beat eight histograms

void insertion_sort(SortEntry* e, int64_t n) {
  for (int64_t i = 1; i < n; ++i) {
    const SortEntry x = e[i];
    int64_t j = i;
    for (; j > 0 && e[j - 1].prefix > x.prefix; --j) e[j] = e[j - 1];
    e[j] = x;
  }
}

// Bottom-up merge from insertion-sorted stretches.
void merge_sort(SortEntry* e, SortEntry* scratch, int64_t n) {
  for (int64_t i = 0; i < n; i += kInsertionRows) insertion_sort(e + i, std::min(kInsertionRows, n - i));
  SortEntry *from = e, *to = scratch;
  for (int64_t width = kInsertionRows; width < n; width *= 2) {
    for (int64_t i = 0; i < n; i += 2 * width) {
      const int64_t mid = std::min(i + width, n), end = std::min(i + 2 * width, n);
      std::merge(from + i, from + mid, from + mid, from + end, to + i,
                 [](const SortEntry& a, const SortEntry& b) { return a.prefix < b.prefix; });
    }
    std::swap(from, to);
  }
  if (from != e) std::memcpy(e, from, static_cast<size_t>(n) * sizeof(SortEntry));
}

}  // namespace

void sort_entries(SortEntry* entries, SortEntry* scratch, int64_t n) {
  bool sorted = true;
  uint64_t differ = 0;
  for (int64_t i = 1; i < n; ++i) {
    sorted &= entries[i - 1].prefix <= entries[i].prefix;
    differ |= entries[i].prefix ^ entries[0].prefix;
  }
  if (sorted) return;
  if (n <= kInsertionRows) return insertion_sort(entries, n);
  if (n <= kMergeRows) return merge_sort(entries, scratch, n);
  SortEntry *from = entries, *to = scratch;
  for (int byte = 0; byte < 8; ++byte) {
    const int shift = byte * 8;
    if (((differ >> shift) & 0xff) == 0) continue;
    int64_t count[256] = {};
    for (int64_t i = 0; i < n; ++i) count[(from[i].prefix >> shift) & 0xff]++;
    int64_t at = 0;
    for (int64_t& c : count) {
      const int64_t rows = c;
      c = at;
      at += rows;
    }
    for (int64_t i = 0; i < n; ++i) to[count[(from[i].prefix >> shift) & 0xff]++] = from[i];
    std::swap(from, to);
  }
  if (from != entries) std::memcpy(entries, from, static_cast<size_t>(n) * sizeof(SortEntry));
}

PrefixBuckets::PrefixBuckets(uint64_t min, uint64_t max)
    : min_(min), shift_(std::max(0, static_cast<int>(std::bit_width(max - min)) - kBits)) {}

}  // namespace gristmill::exec
