// Radix sort from the lowest byte, over the bytes in which the keys differ: positions differ in three or four of eight.
// Tables hold their groups in the order they came, so most arrive sorted and cost one look.

#include "exec/group_order.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace gristmill::exec {

void sort_entries(GroupEntry* entries, GroupEntry* scratch, int64_t n) {
  constexpr int64_t kSmall = 64;
  const auto by_key = [](const GroupEntry& a, const GroupEntry& b) { return a.key < b.key; };
  if (n < 2 || std::is_sorted(entries, entries + n, by_key)) return;
  if (n <= kSmall) {
    std::stable_sort(entries, entries + n, by_key);
    return;
  }
  uint64_t differ = 0;
  for (int64_t i = 1; i < n; ++i) differ |= entries[i].key ^ entries[0].key;
  GroupEntry* from = entries;
  GroupEntry* to = scratch;
  for (int shift = 0; shift < 64; shift += 8) {
    if (((differ >> shift) & 0xff) == 0) continue;
    std::array<int64_t, 257> start{};
    for (int64_t i = 0; i < n; ++i) start[((from[i].key >> shift) & 0xff) + 1]++;
    for (size_t b = 1; b < start.size(); ++b) start[b] += start[b - 1];
    for (int64_t i = 0; i < n; ++i) to[start[(from[i].key >> shift) & 0xff]++] = from[i];
    std::swap(from, to);
  }
  if (from != entries) std::memcpy(entries, from, static_cast<size_t>(n) * sizeof(GroupEntry));
}

}  // namespace gristmill::exec
