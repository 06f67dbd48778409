// Rows that come in the order of `on` against an index that lies in it: one walk over both sides instead of a search a row.
//
// A step goes on by one row or by one word of the index, whichever comes first: the comparison is added to both places, so there is no
// branch to guess, but each step waits for the last one's load. So four stretches of the rows walk side by side. ns a row, with 100,
// 10, 1 and 0.1 rows to a word of the index: 1.1, 1.2, 2.5, 12; a loop with a branch 1.4, 2.5, 5.6, 21; two stretches 2.2, 2.5, 3.5, 29,
// eight 1.0, 1.2, 2.7, 12; searches from the last place on, with 10, 1, 0.1, 0.03 and 0.01 rows to a word: 2.6, 5.6, 24, 48, 104 where
// the walk takes 1.1, 2.2, 11, 35, 103 (one thread, Intel, 2.6 GHz).
#pragma once

#include <algorithm>
#include <cstdint>

namespace gristmill::exec {

// places[i], less `less`: how many of the m > 0 words at `index` are before words[i], or equal to it (kOrEqual). Both sides ascend; the
// first row's place is `low`, the last one's `high`.
template <typename T, bool kOrEqual>
void walk_places(const T* words, int64_t n, const T* index, int32_t m, int32_t low, int32_t high, int32_t less, int32_t* places) {
  const auto before = [](T a, T b) { return kOrEqual ? a <= b : a < b; };
  if (high == m) {  // rows behind the whole index have nothing to be compared with
    const T* const behind = std::partition_point(words, words + n, [&](T w) { return !before(index[m - 1], w); });
    std::fill(places + (behind - words), places + n, m - less);
    n = behind - words;
  }
  constexpr int kStretches = 4;
  int64_t at[kStretches], end[kStretches];
  int32_t place[kStretches] = {};
  for (int k = 0; k < kStretches; ++k) {
    at[k] = n * k / kStretches;
    end[k] = n * (k + 1) / kStretches;
    if (at[k] == end[k]) continue;
    const T word = words[at[k]];
    place[k] = static_cast<int32_t>(std::partition_point(index + low, index + high, [&](T w) { return before(w, word); }) - index);
  }
  for (;;) {
    int64_t steps = n;
    for (int k = 0; k < kStretches; ++k) steps = std::min(steps, end[k] - at[k]);
    if (steps == 0) break;
    for (; steps > 0; --steps) {
      for (int k = 0; k < kStretches; ++k) {
        const bool of_index = before(index[place[k]], words[at[k]]);
        places[at[k]] = place[k] - less;
        place[k] += of_index;
        at[k] += !of_index;
      }
    }
  }
  for (int k = 0; k < kStretches; ++k) {
    for (; at[k] < end[k]; ++at[k]) {
      while (before(index[place[k]], words[at[k]])) ++place[k];
      places[at[k]] = place[k] - less;
    }
  }
}

}  // namespace gristmill::exec
