// The parts of a window operator against their definitions: packed keys against the order of values, frames against a scan of the
// whole partition, also from its middle.

#include <numeric>
#include <vector>

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "../column/random_columns.h"
#include "column/kernels.h"
#include "exec/window_codes.h"
#include "exec/window_frame.h"
#include "exec/window_state.h"

namespace gristmill::exec {
namespace {

using column::testing::ok;
using column::testing::pool;
using column::testing::RandomColumns;
using expr::FrameEdge;
using expr::FrameExclude;
using expr::FrameMode;

int compare(const column::Column& c, const column::SortKey& k, int64_t a, int64_t b) {
  const bool na = column::is_null_at(c, a), nb = column::is_null_at(c, b);
  if (na || nb) return na == nb ? 0 : na == k.nulls_first ? -1 : 1;
  const int order = column::compare_rows(c, a, c, b);
  return k.descending ? -order : order;
}

TEST(KeyPacking, OrdersLikeTheValues) {
  uint64_t seed = 1;
  for (const auto& first : column::testing::flat_types()) {
    for (const auto& second : column::testing::flat_types()) {
      RandomColumns random(++seed);
      SCOPED_TRACE(first->ToString() + ", " + second->ToString() + " seed " + std::to_string(seed));
      const column::Batch b = random.batch({first, second}, 60, false);
      std::vector<column::SortKey> order;
      for (int i = 0; i < 2; ++i) order.push_back({random.chance(0.5), random.chance(0.5)});
      KeyPacking keys(b.columns, order);
      ASSERT_TRUE(keys.prepare(pool()).ok());
      auto all = keys.measure(0, b.rows / 2);
      const auto rest = keys.measure(b.rows / 2, b.rows);
      for (size_t c = 0; c < all.size(); ++c) all[c].add(rest[c]);
      keys.settle(all);
      std::vector<uint64_t> prefix(static_cast<size_t>(b.rows));
      ASSERT_TRUE(keys.pack(0, b.rows / 3, prefix.data()).ok());
      ASSERT_TRUE(keys.pack(b.rows / 3, b.rows, prefix.data() + b.rows / 3).ok());
      const int below = keys.bits_below(1);
      for (int64_t i = 0; i < b.rows; ++i) {
        for (int64_t j = 0; j < b.rows; ++j) {
          const int by_first = compare(b.columns[0], order[0], i, j);
          const int by_values = by_first != 0 ? by_first : compare(b.columns[1], order[1], i, j);
          const uint64_t x = prefix[static_cast<size_t>(i)], y = prefix[static_cast<size_t>(j)];
          if (x < y) {
            ASSERT_LT(by_values, 0) << i << " " << j;
          }
          if (x == y && keys.exact()) {
            ASSERT_EQ(by_values, 0) << i << " " << j;
          }
          if (by_values == 0) {
            ASSERT_EQ(x, y) << i << " " << j;
          }
          if (below >= 0) {
            ASSERT_EQ(below == 64 || (x ^ y) >> below == 0, by_first == 0) << i << " " << j;
          }
        }
      }
    }
  }
}

// Positions of the frame of position i, by looking at every position of the partition.
std::vector<int64_t> frame_of(const expr::BoundWindow& f, const std::vector<uint8_t>& marks, const Partition& p, int64_t i) {
  std::vector<int64_t> group(marks.size(), 0);
  for (int64_t k = p.first + 1; k < p.last; ++k) {
    group[static_cast<size_t>(k)] = group[static_cast<size_t>(k - 1)] + ((marks[static_cast<size_t>(k)] & kPeerStart) ? 1 : 0);
  }
  const auto place = [&](int64_t k) { return f.mode == FrameMode::kRows ? k : group[static_cast<size_t>(k)]; };
  const auto bound = [&](const expr::BoundEdge& e) {
    return e.edge == FrameEdge::kPreceding ? place(i) - e.rows : e.edge == FrameEdge::kFollowing ? place(i) + e.rows : place(i);
  };
  std::vector<int64_t> out;
  for (int64_t k = p.first; k < p.last; ++k) {
    const bool after_start = f.start.edge == FrameEdge::kUnboundedPreceding || place(k) >= bound(f.start);
    const bool before_end = f.end.edge == FrameEdge::kUnboundedFollowing || place(k) <= bound(f.end);
    const bool peer = group[static_cast<size_t>(k)] == group[static_cast<size_t>(i)];
    const bool out_of = f.exclude == FrameExclude::kCurrentRow ? k == i
                        : f.exclude == FrameExclude::kGroup    ? peer
                        : f.exclude == FrameExclude::kTies     ? peer && k != i
                                                               : false;
    if (after_start && before_end && !out_of) out.push_back(k);
  }
  return out;
}

TEST(Frames, AreWhatTheirDefinitionSays) {
  RandomColumns random(7);
  for (int round = 0; round < 2000; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const int64_t n = 1 + random.below(30);
    std::vector<uint8_t> marks(static_cast<size_t>(n + 5), kPartitionStart | kPeerStart);
    for (int64_t i = 3; i < n + 2; ++i) marks[static_cast<size_t>(i)] = random.chance(0.4) ? kPeerStart : 0;
    WindowTask task;
    expr::BoundWindow& f = task.function;
    f.mode = random.chance(0.5) ? FrameMode::kRows : FrameMode::kGroups;
    f.exclude = static_cast<FrameExclude>(random.below(4));
    f.start = {static_cast<FrameEdge>(random.below(4)), random.below(5)};
    f.end = {static_cast<FrameEdge>(1 + random.below(4)), random.below(5)};
    const int64_t begin = 2 + random.below(n), end = begin + 1 + random.below(n + 2 - begin);
    const Partition p{2, n + 2, begin, std::min(end, n + 2)};
    const OrderedRows rows{nullptr, n + 5, nullptr, marks.data()};
    Frames frames(task, FrameKeys(), rows, p);
    int64_t before[4] = {0, 0, 0, 0};
    for (int64_t i = p.begin; i < p.end; ++i) {
      const FrameRow r = frames.next();
      ASSERT_EQ(r.position, i);
      std::vector<int64_t> got;
      for (int64_t k = r.low; k < r.cut_low; ++k) got.push_back(k);
      if (r.self) got.push_back(i);
      for (int64_t k = r.cut_high; k < r.high; ++k) got.push_back(k);
      ASSERT_EQ(got, frame_of(f, marks, p, i)) << "position " << i;
      const int64_t now[4] = {r.low, r.cut_low, r.cut_high, r.high};
      for (int e = 0; e < 4; ++e) {
        ASSERT_GE(now[e], before[e]) << "an edge went back";
        before[e] = now[e];
      }
    }
  }
}

TEST(CutUnits, CoverEveryPositionOnceAndKeepPartitionsWhole) {
  RandomColumns random(3);
  for (const int64_t most : {int64_t{1}, int64_t{1000}, int64_t{200'000}}) {
    const int64_t n = 400'000;
    std::vector<uint8_t> marks(static_cast<size_t>(n), 0);
    for (int64_t i = 0; i < n; i += 1 + random.below(most)) marks[static_cast<size_t>(i)] = kPartitionStart | kPeerStart;
    marks[0] = kPartitionStart | kPeerStart;
    const OrderedRows rows{nullptr, n, nullptr, marks.data()};
    std::vector<WindowUnit> whole, split;
    cut_units(rows, 0, whole, split);
    int64_t at = 0;
    for (const WindowUnit& u : whole) {
      ASSERT_EQ(u.begin, at);
      ASSERT_TRUE(rows.starts(u.begin, kPartitionStart));
      ASSERT_EQ(u.first, u.begin);
      ASSERT_EQ(u.last, u.end);
      at = u.end;
    }
    EXPECT_EQ(at, n);
    at = 0;
    for (const WindowUnit& u : split) {
      ASSERT_EQ(u.begin, at);
      ASSERT_TRUE(rows.starts(u.first, kPartitionStart));
      ASSERT_TRUE(u.last == n || rows.starts(u.last, kPartitionStart));
      at = u.end;
    }
    EXPECT_EQ(at, n);
  }
}

}  // namespace
}  // namespace gristmill::exec
