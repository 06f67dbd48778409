// Joins of two streams against all pairs looked at one by one: whatever the interleaving of the streams, the cut, the workers and the
// stops, the same rows in the same order.

#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "expr/node.h"
#include "operator_driver.h"
#include "stream/stream_joins.h"

namespace gristmill::stream {
namespace {

using testing::Arrival;
using testing::Collected;
using testing::Drive;
using testing::DriveConfig;
using testing::PlainWatermark;
using testing::TestRow;

template <typename Spec>
Spec spec_of(int64_t delay) {
  Spec spec;
  for (EventTime* time : {&spec.left_time, &spec.right_time}) {
    time->time = "t";
    time->delay = std::to_string(delay);
  }
  spec.left_keys = spec.right_keys = {expr::column("k")};
  spec.coalesce_keys = true;
  return spec;
}

struct Placed {
  const TestRow* row;
  size_t place;
};

// Rows that are in time, in the order of their times.
std::vector<Placed> in_time(const std::vector<TestRow>& rows, int32_t partitions, int64_t delay, int64_t* late) {
  std::vector<Placed> out;
  PlainWatermark mark(partitions, delay);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (mark.value() == PlainWatermark::kNone || rows[i].t >= mark.value()) {
      out.push_back({&rows[i], i});
    } else {
      ++*late;
    }
    mark.see(rows[i]);
  }
  std::sort(out.begin(), out.end(),
            [](const Placed& a, const Placed& b) { return std::tie(a.row->t, a.place) < std::tie(b.row->t, b.place); });
  return out;
}

std::string text(const TestRow& r, bool with_key) {
  std::string out = std::to_string(r.t) + " | ";
  if (with_key) out += (r.null_key ? "null" : std::to_string(r.k)) + " | ";
  return out + r.s;
}
std::string short_text(const std::string& row) {  // without x
  std::vector<std::string> cells;
  for (size_t at = 0;;) {
    const size_t next = row.find(" | ", at);
    cells.push_back(row.substr(at, next - at));
    if (next == std::string::npos) break;
    at = next + 3;
  }
  return cells[0] + " | " + cells[1] + " | " + cells[3] + " | " + cells[4] + " | " + cells[6];
}

bool equal_keys(const TestRow& a, const TestRow& b) { return !a.null_key && !b.null_key && a.k == b.k; }

std::vector<std::string> interpret_interval(const std::vector<Placed>& left, const std::vector<Placed>& right, int64_t lower,
                                            int64_t upper) {
  struct Pair {
    int64_t t;
    int side;  // of the later row
    size_t later, earlier;
    int64_t earlier_t;
    std::string text;
  };
  std::vector<Pair> pairs;
  for (const Placed& l : left) {
    for (const Placed& r : right) {
      if (!equal_keys(*l.row, *r.row) || r.row->t < l.row->t + lower || r.row->t > l.row->t + upper) continue;
      const bool left_later = l.row->t > r.row->t;
      pairs.push_back({std::max(l.row->t, r.row->t), left_later ? 0 : 1, left_later ? l.place : r.place, left_later ? r.place : l.place,
                       std::min(l.row->t, r.row->t), text(*l.row, true) + " | " + text(*r.row, false)});
    }
  }
  std::sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) {
    return std::tie(a.t, a.side, a.later, a.earlier_t, a.earlier) < std::tie(b.t, b.side, b.later, b.earlier_t, b.earlier);
  });
  std::vector<std::string> out;
  for (const Pair& p : pairs) out.push_back(p.text);
  return out;
}

// All rows in the order of their times, left ones first; a row of a kept side that has met nobody leaves before the first that is too late
// for it, the one that was too late first before others.
std::vector<std::string> interpret_outer(const std::vector<Placed>& left, const std::vector<Placed>& right, int64_t lower, int64_t upper,
                                         bool keep_left, bool keep_right) {
  struct Taken {
    const Placed* at;
    int side;
    bool met = false;
  };
  std::vector<Taken> all;
  for (const Placed& l : left) all.push_back({&l, 0});
  for (const Placed& r : right) all.push_back({&r, 1});
  std::stable_sort(all.begin(), all.end(), [](const Taken& a, const Taken& b) {
    return std::tie(a.at->row->t, a.side, a.at->place) < std::tie(b.at->row->t, b.side, b.at->place);
  });
  std::vector<std::string> out;
  const auto kept = [&](const Taken& row) { return row.side == 0 ? keep_left : keep_right; };
  const auto last = [&](const Taken& row) { return row.side == 0 ? row.at->row->t + upper : row.at->row->t - lower; };
  const auto alone = [&](const Taken& row) {
    const TestRow& r = *row.at->row;
    const std::string key = r.null_key ? "null" : std::to_string(r.k);
    out.push_back(row.side == 0 ? text(r, true) + " | null | null" : "null | " + key + " | null | " + text(r, false));
  };
  std::vector<Taken*> open;  // that may leave alone
  const auto leave = [&](int64_t before) {
    const auto turn = [&](const Taken& row) { return std::make_tuple(last(row), row.side, row.at->row->t, row.at->place); };
    std::stable_sort(open.begin(), open.end(), [&](const Taken* a, const Taken* b) { return turn(*a) < turn(*b); });
    std::erase_if(open, [&](const Taken* row) {
      if (last(*row) >= before) return false;
      if (!row->met) alone(*row);
      return true;
    });
  };
  for (Taken& row : all) {
    leave(row.at->row->t);
    if (row.at->row->null_key) {
      if (kept(row)) alone(row);
      continue;
    }
    for (Taken& before : all) {
      if (&before == &row) break;
      if (before.side == row.side || !equal_keys(*before.at->row, *row.at->row)) continue;
      Taken &l = row.side == 0 ? row : before, &r = row.side == 0 ? before : row;
      const int64_t apart = r.at->row->t - l.at->row->t;
      if (apart < lower || apart > upper) continue;
      l.met = r.met = true;
      out.push_back(text(*l.at->row, true) + " | " + text(*r.at->row, false));
    }
    if (kept(row)) open.push_back(&row);
  }
  leave(std::numeric_limits<int64_t>::max());
  return out;
}

std::vector<std::string> interpret_asof(const std::vector<Placed>& left, const std::vector<Placed>& right, bool exact, int64_t tolerance) {
  std::vector<std::string> out;
  for (const Placed& l : left) {
    const TestRow* best = nullptr;
    for (const Placed& r : right) {
      if (!equal_keys(*l.row, *r.row) || r.row->t > l.row->t || (!exact && r.row->t == l.row->t)) continue;
      best = r.row;
    }
    if (best && best->t < l.row->t - tolerance) best = nullptr;
    out.push_back(text(*l.row, true) + " | " + (best ? text(*best, false) : "null | null"));
  }
  return out;
}

// The two streams in one arrival order, by turns of random length.
std::vector<Arrival> interleave(const std::vector<TestRow>& left, const std::vector<TestRow>& right, uint64_t seed) {
  column::testing::RandomColumns random(seed);
  std::vector<Arrival> out;
  size_t at[2] = {0, 0};
  const std::vector<TestRow>* rows[2] = {&left, &right};
  while (at[0] < left.size() || at[1] < right.size()) {
    const auto side = static_cast<size_t>(random.below(2));
    for (int64_t n = random.below(200); n > 0 && at[side] < rows[side]->size(); --n)
      out.push_back({static_cast<int>(side), (*rows[side])[at[side]++]});
  }
  return out;
}

void compare(const MakeStateful& make, const std::vector<TestRow>& left, const std::vector<TestRow>& right, std::vector<int32_t> partitions,
             const std::vector<std::string>& expected, int64_t late, uint64_t seed) {
  for (const int workers : {1, 2, 3, 8}) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " workers " + std::to_string(workers));
    DriveConfig config;
    config.seed = seed * 17 + static_cast<uint64_t>(workers);
    config.workers = workers;
    config.morsel_rows = workers == 2 ? 1 : 300;
    config.batch_rows = workers == 3 ? 5 : 200;
    config.select = workers == 8;
    config.eager = workers >= 3;
    if (workers > 1) config.restore_with = {1, 4};
    Drive drive(make, partitions, config);
    Collected out;
    const arrow::Status status = drive.run(interleave(left, right, config.seed), &out);
    ASSERT_TRUE(status.ok()) << status.ToString();
    std::vector<std::string> rows;
    for (const std::string& row : out.main) rows.push_back(short_text(row));
    ASSERT_EQ(rows.size(), expected.size());
    for (size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i], expected[i]) << "row " << i;
    EXPECT_EQ(drive.op().stats().at("late_rows"), late);
  }
}

class StreamJoins : public ::testing::TestWithParam<uint64_t> {};

TEST_P(StreamJoins, AnIntervalJoinMakesEveryPairOnceInTheOrderOfTime) {
  const uint64_t seed = GetParam();
  column::testing::RandomColumns random(seed);
  const int64_t delay = random.below(3) * 10, lower = random.below(30) - 20, upper = lower + random.below(30);
  const auto left = testing::random_rows(seed, 500, 2, 6, 2, 12), right = testing::random_rows(seed + 99, 400, 3, 6, 2, 12);
  auto spec = spec_of<IntervalJoinSpec>(delay);
  spec.lower = std::to_string(lower);
  spec.upper = std::to_string(upper);
  int64_t late = 0;
  const auto l = in_time(left, 2, delay, &late), r = in_time(right, 3, delay, &late);
  compare([&] { return make_interval_join(spec, testing::test_schema(), testing::test_schema()); }, left, right, {2, 3},
          interpret_interval(l, r, lower, upper), late, seed);
}

void outer_join(uint64_t seed, bool keep_left, bool keep_right) {
  column::testing::RandomColumns random(seed + 900);
  const int64_t delay = random.below(3) * 10, lower = random.below(30) - 20, upper = lower + random.below(12);
  const auto left = testing::random_rows(seed + 11, 400, 2, 9, 2, 12), right = testing::random_rows(seed + 55, 250, 3, 9, 2, 12);
  auto spec = spec_of<IntervalJoinSpec>(delay);
  spec.lower = std::to_string(lower);
  spec.upper = std::to_string(upper);
  spec.left = keep_left;
  spec.right = keep_right;
  int64_t late = 0;
  const auto l = in_time(left, 2, delay, &late), r = in_time(right, 3, delay, &late);
  const auto expected = interpret_outer(l, r, lower, upper, keep_left, keep_right);
  const auto some = [&](const auto& is) { return std::any_of(expected.begin(), expected.end(), is); };
  EXPECT_EQ(some([](const std::string& row) { return row.ends_with("null | null"); }), keep_left);
  EXPECT_EQ(some([](const std::string& row) { return row.starts_with("null"); }), keep_right);
  compare([&] { return make_interval_join(spec, testing::test_schema(), testing::test_schema()); }, left, right, {2, 3}, expected, late,
          seed);
}

TEST_P(StreamJoins, ALeftIntervalJoinKeepsRowsThatMeetNobody) { outer_join(GetParam(), true, false); }
TEST_P(StreamJoins, ARightIntervalJoinKeepsRowsThatMeetNobody) { outer_join(GetParam(), false, true); }
TEST_P(StreamJoins, AFullIntervalJoinKeepsRowsOfBothThatMeetNobody) { outer_join(GetParam(), true, true); }

TEST_P(StreamJoins, AnAsofJoinFindsTheLastRowBefore) {
  const uint64_t seed = GetParam();
  column::testing::RandomColumns random(seed + 500);
  const int64_t delay = random.below(3) * 10;
  const bool exact = random.below(2) == 0;
  const int64_t tolerance = random.below(2) == 0 ? 15 : int64_t{1} << 60;
  const auto left = testing::random_rows(seed + 3, 500, 2, 6, 2, 12), right = testing::random_rows(seed + 77, 400, 1, 6, 2, 12);
  auto spec = spec_of<StreamAsofSpec>(delay);
  spec.allow_exact = exact;
  if (tolerance == 15) spec.tolerance = "15";
  int64_t late = 0;
  const auto l = in_time(left, 2, delay, &late), r = in_time(right, 1, delay, &late);
  compare([&] { return make_stream_asof(spec, testing::test_schema(), testing::test_schema()); }, left, right, {2, 1},
          interpret_asof(l, r, exact, tolerance), late, seed);
}

INSTANTIATE_TEST_SUITE_P(Seeds, StreamJoins, ::testing::Range<uint64_t>(1, 21));

// One stream is far ahead of the other, and its rows must wait; then those that may still meet another are kept.
TEST(StreamJoinsSpill, RowsBeyondTheMemoryLimitGoToDisk) {
  for (const bool outer : {false, true}) {
    SCOPED_TRACE(outer ? "full" : "inner");
    constexpr int64_t kRows = 150'000;
    std::vector<Arrival> rows;
    for (const int side : {0, 1}) {
      for (int64_t i = 0; i < kRows; ++i) {
        TestRow r;
        r.t = i;
        r.k = side == 0 ? i : i % 3 == 0 ? i : -i - 1;
        r.s = "a text that does not fit into a view " + std::to_string(i);
        rows.push_back({side, r});
      }
    }
    auto spec = spec_of<IntervalJoinSpec>(0);
    spec.lower = "0";
    spec.upper = std::to_string(kRows * 2);
    spec.left = spec.right = outer;
    DriveConfig config;
    config.cap = int64_t{24} << 20;
    config.morsel_rows = config.batch_rows = 5'000;
    Drive drive([&] { return make_interval_join(spec, testing::test_schema(), testing::test_schema()); }, {1, 1}, config);
    Collected out;
    const arrow::Status status = drive.run(rows, &out);
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(out.main.size(), static_cast<size_t>(outer ? kRows / 3 + 2 * (kRows / 3 * 2) : kRows / 3));
    EXPECT_GT(drive.op().stats().at("spills"), 0);
  }
}

TEST(StreamJoinsSpill, RowsOfTheLastTimeThereIsLeaveAtTheEnd) {
  std::vector<Arrival> rows;
  for (const int side : {0, 1}) {
    for (const int64_t t : {int64_t{1}, std::numeric_limits<int64_t>::max()}) {
      TestRow r;
      r.t = t;
      r.k = 5;
      rows.push_back({side, r});
    }
  }
  auto spec = spec_of<IntervalJoinSpec>(0);
  spec.lower = spec.upper = "0";
  for (const bool eager : {false, true}) {
    DriveConfig config;
    config.eager = eager;
    Drive drive([&] { return make_interval_join(spec, testing::test_schema(), testing::test_schema()); }, {1, 1}, config);
    Collected out;
    const arrow::Status status = drive.run(rows, &out);
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(out.main.size(), 2u);
  }
}

TEST(StreamJoinErrors, KeysAndTimesMustBeOfOneType) {
  const auto other = arrow::schema({arrow::field("t", arrow::timestamp(arrow::TimeUnit::MICRO)), arrow::field("k", arrow::int64())});
  auto spec = spec_of<IntervalJoinSpec>(0);
  spec.right_time.delay.clear();
  spec.lower = spec.upper = "0";
  EXPECT_NE(make_interval_join(spec, testing::test_schema(), other).status().ToString().find("time columns"), std::string::npos);
  EXPECT_NE(make_interval_join(spec, testing::test_schema(), testing::test_schema(true)).status().ToString().find("different types"),
            std::string::npos);
  spec.lower = "5";
  EXPECT_NE(make_interval_join(spec, testing::test_schema(), testing::test_schema()).status().ToString().find("empty"), std::string::npos);
}

}  // namespace
}  // namespace gristmill::stream
