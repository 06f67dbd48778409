// How a large partition is cut for several workers.

#include "exec/window_stretch.h"

#include <gtest/gtest.h>

#include <vector>

namespace gristmill::exec {
namespace {

constexpr int64_t kRows = 1'000'000;

std::vector<WindowStretch> stretches_of(const OrderedRows& rows, bool whole_peers) {
  std::vector<WindowStretch> out;
  std::vector<WindowUnit> others;
  cut_stretches({{&rows, 0, rows.count, 0, rows.count}}, whole_peers, out, others);
  EXPECT_TRUE(others.empty());
  int64_t at = 0;
  for (const WindowStretch& s : out) {
    EXPECT_EQ(s.unit.begin, at);
    EXPECT_EQ(s.first, 0);
    at = s.unit.end;
  }
  EXPECT_EQ(at, rows.count);
  return out;
}

column::Batch batch_of(int64_t rows) {
  column::Batch out;
  out.rows = rows;
  return out;
}

TEST(WindowStretch, RowsWithoutAnOrderAreCutToo) {
  OrderedRows rows;
  rows.count = kRows;
  EXPECT_GT(stretches_of(rows, false).size(), 8u);  // all are peers, which matters to nobody
  EXPECT_EQ(stretches_of(rows, true).size(), 1u);
}

TEST(WindowStretch, PeersStayTogetherWhereTheyMatter) {
  std::vector<uint8_t> marks(kRows);
  for (int64_t i = 0; i < kRows; i += 100'000) marks[static_cast<size_t>(i)] = kPeerStart;
  marks[0] |= kPartitionStart;
  OrderedRows rows;
  rows.count = kRows;
  rows.marks = marks.data();
  for (const WindowStretch& s : stretches_of(rows, true)) EXPECT_EQ(s.unit.begin % 100'000, 0);
  EXPECT_GT(stretches_of(rows, false).size(), 10u);
}

TEST(WindowStretch, PiecesAreTakenAsTheyAre) {
  WindowColumns columns;
  std::vector<column::Batch> pieces;
  for (int64_t at = 0; at < kRows; at += 25'000) pieces.push_back(batch_of(25'000));
  columns.settle(batch_of(kRows), std::move(pieces), {true});
  OrderedRows rows;
  rows.count = kRows;
  rows.columns = &columns;
  for (const WindowStretch& s : stretches_of(rows, false)) EXPECT_EQ(s.unit.end - s.unit.begin, 25'000);
}

}  // namespace
}  // namespace gristmill::exec
