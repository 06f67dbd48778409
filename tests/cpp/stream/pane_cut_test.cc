// The rows of a batch by pane against going through them one by one: in order, disordered, with gaps, hopping, between windows.

#include "stream/pane_cut.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace gristmill::stream {
namespace {

struct Cut {
  std::map<int64_t, std::vector<uint16_t>> rows;  // by the start of their pane
  std::vector<uint16_t> slow;
  int64_t outside = 0;
  int64_t greatest = kNoTime;
};

Cut one_by_one(const TimeWindows& windows, int64_t delay, bool inherited, const std::vector<int64_t>& times,
               const std::vector<uint16_t>& physical) {
  Cut out;
  for (size_t j = 0; j < times.size(); ++j) {
    const int64_t pane = windows.pane(times[j]);
    if (windows.between(pane)) {
      ++out.outside;
    } else if (!inherited && out.greatest != kNoTime && windows.first_end(pane) <= time_less(out.greatest, delay)) {
      out.slow.push_back(static_cast<uint16_t>(j));
    } else {
      out.rows[pane].push_back(physical[j]);
    }
    out.greatest = std::max(out.greatest, times[j]);
  }
  return out;
}

Cut by_stretches(PaneCut& cut, const TimeWindows& windows, int64_t delay, bool inherited, const std::vector<int64_t>& times,
                 const std::vector<uint16_t>& physical) {
  cut.cut(windows, delay, inherited, times, physical);
  Cut out;
  for (size_t p = 0; p < cut.panes(); ++p) {
    if (cut.count(p) == 0) continue;
    const auto from = cut.rows().begin() + cut.begin(p);
    EXPECT_FALSE(out.rows.contains(cut.start(p)));
    out.rows[cut.start(p)].assign(from, from + cut.count(p));
  }
  out.slow = cut.take_slow();
  out.outside = cut.outside();
  out.greatest = cut.greatest();
  return out;
}

TEST(PaneCut, GivesWhatGoingRowByRowGives) {
  PaneCut cut;  // one for all: nothing stays of a batch
  for (uint64_t seed = 1; seed <= 600; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
    const int64_t size = 1 + below(seed % 3 == 0 ? 5000 : 60);
    const int64_t slides[] = {size, std::max<int64_t>(1, size / 3), size + 1 + below(40)};  // tumbling, hopping, with gaps between
    const TimeWindows windows = TimeWindows::make(size, slides[seed % 3], below(7) - 3);
    const int64_t delay = below(3) == 0 ? 0 : below(120);
    const int64_t jitter = 1 + below(seed % 4 == 0 ? 400 : 40), n = below(900), first = below(2) == 0 ? -200 : int64_t{1} << 40;
    std::vector<int64_t> times;
    std::vector<uint16_t> physical;
    for (int64_t j = 0; j < n; ++j) {
      times.push_back(first + j + below(jitter));
      physical.push_back(static_cast<uint16_t>(2 * j + below(2)));
    }
    for (const bool inherited : {false, true}) {
      const Cut want = one_by_one(windows, delay, inherited, times, physical);
      const Cut got = by_stretches(cut, windows, delay, inherited, times, physical);
      ASSERT_EQ(got.rows, want.rows);
      ASSERT_EQ(got.slow, want.slow);
      ASSERT_EQ(got.outside, want.outside);
      ASSERT_EQ(got.greatest, want.greatest);
    }
  }
}

TEST(PaneCut, TimesAtTheEndsOfTheirRangeStayThere) {
  PaneCut cut;
  const TimeWindows windows = TimeWindows::make(10, 10, 0);
  std::vector<int64_t> times(200, kAllTime);
  std::vector<uint16_t> physical(times.size());
  for (size_t j = 0; j < times.size(); ++j) {
    physical[j] = static_cast<uint16_t>(j);
    if (j % 2 == 1) times[j] = kNoTime + 1;
  }
  const Cut want = one_by_one(windows, 5, false, times, physical);
  const Cut got = by_stretches(cut, windows, 5, false, times, physical);
  EXPECT_EQ(got.rows, want.rows);
  EXPECT_EQ(got.slow, want.slow);
}

}  // namespace
}  // namespace gristmill::stream
