// Windows against an interpreter of their meaning that goes row by row: any cut into batches and morsels, any number of workers, stops and
// restores in between, spilled or not, give the same rows in the same order.

#include <cmath>
#include <cstdio>
#include <map>
#include <tuple>

#include <gtest/gtest.h>

#include "expr/node.h"
#include "operator_driver.h"
#include "stream/window_spec.h"

namespace gristmill::stream {
namespace {

using testing::Arrival;
using testing::Collected;
using testing::Drive;
using testing::DriveConfig;
using testing::only;
using testing::PlainWatermark;
using testing::TestRow;

constexpr int64_t kNone = PlainWatermark::kNone;

std::vector<expr::NodePtr> aggregates() {
  const auto x = expr::column("x"), s = expr::column("s");
  return {expr::alias(expr::aggregate("count", {}), "n"),
          expr::alias(expr::aggregate("sum", {x}), "sum"),
          expr::alias(expr::aggregate("mean", {x}), "mean"),
          expr::alias(expr::aggregate("min", {x}), "min"),
          expr::alias(expr::aggregate("max", {s}), "max_s"),
          expr::alias(expr::aggregate("first", {s}), "first"),
          expr::alias(expr::aggregate("last", {s}), "last"),
          expr::alias(expr::aggregate("var", {x}), "var"),
          expr::alias(expr::aggregate("count", {x}, {}, expr::call("gt", {x, expr::literal(0.0)})), "positive")};
}

WindowSpec spec_of(WindowKind kind, int64_t delay, int64_t lateness) {
  WindowSpec spec;
  spec.kind = kind;
  spec.watermark.time = "t";
  spec.watermark.delay = std::to_string(delay);
  if (lateness > 0) spec.lateness = std::to_string(lateness);
  spec.keys = {expr::column("k")};
  spec.aggregates = aggregates();
  spec.side_output = true;
  return spec;
}

std::string number(double v) {
  const auto c = column::testing::ok(column::constant_of(*arrow::MakeScalar(v), arrow::default_memory_pool()));
  return column::value_text(c, 0);
}

std::string key_text(const TestRow& r, bool text_key) {
  return r.null_key ? "null" : text_key ? testing::text_of_key(r.k) : std::to_string(r.k);
}
std::string row_text(const TestRow& r, bool text_key) {
  return std::to_string(r.t) + " | " + key_text(r, text_key) + " | " + (r.null_x ? "null" : number(r.x)) + " | " + r.s;
}

// What a group shows: rows in the order they came.
std::string group_text(const std::vector<const TestRow*>& rows) {
  int64_t n = 0, positive = 0;
  double sum = 0, squares = 0, least = 0;
  std::string greatest = rows[0]->s;
  for (const TestRow* r : rows) {
    greatest = std::max(greatest, r->s);
    if (r->null_x) continue;
    least = n == 0 ? r->x : std::min(least, r->x);
    ++n;
    positive += r->x > 0;
    sum += r->x * 8;  // whole numbers: exact
    squares += r->x * 8 * r->x * 8;
  }
  const auto count = static_cast<double>(n);
  std::string out = std::to_string(rows.size()) + " | " + (n ? number(sum / 8) : "null") + " | " + (n ? number(sum / 8 / count) : "null") +
                    " | " + (n ? number(least) : "null") + " | " + greatest + " | " + rows.front()->s + " | " + rows.back()->s + " | ";
  out += n > 1 ? number((count * squares - sum * sum) / (64 * count * (count - 1))) : "null";
  return out + " | " + std::to_string(positive);
}

struct Expected {
  std::vector<std::string> main, side;
};

// Tumbling and hopping windows.
Expected interpret_time(const std::vector<TestRow>& rows, int32_t partitions, int64_t size, int64_t slide, int64_t delay, int64_t lateness,
                        bool text_key) {
  Expected out;
  PlainWatermark mark(partitions, delay);
  std::map<int64_t, std::map<std::string, std::vector<const TestRow*>>> windows;  // by start
  std::map<int64_t, std::vector<std::string>> first_seen;                         // keys by first appearance
  int64_t closed = kNone;
  const auto show = [&](int64_t start, const std::string& key) {
    out.main.push_back(key + " | " + std::to_string(start) + " | " + std::to_string(start + size) + " | " +
                       group_text(windows[start][key]));
  };
  const auto close_to = [&](int64_t to) {
    if (to <= closed) return;
    for (auto& [start, keys] : first_seen) {
      if (start + size > closed && start + size <= to) {
        for (const std::string& key : keys) show(start, key);
      }
    }
    closed = to;
  };
  for (const TestRow& r : rows) {
    const int64_t now = mark.value();
    if (now != kNone) close_to(now);
    bool any = false, inside = false;
    const int64_t last = r.t - ((r.t % slide) + slide) % slide;
    std::vector<int64_t> starts;
    for (int64_t s = last; s > r.t - size; s -= slide) starts.insert(starts.begin(), s);
    for (const int64_t s : starts) {
      inside = true;
      if (now != kNone && s + size + lateness <= now) continue;
      any = true;
      const std::string key = key_text(r, text_key);
      auto& group = windows[s][key];
      if (group.empty()) first_seen[s].push_back(key);
      group.push_back(&r);
      if (now != kNone && s + size <= now) show(s, key);
    }
    if (inside && !any) out.side.push_back(row_text(r, text_key));
    mark.see(r);
  }
  close_to(std::numeric_limits<int64_t>::max());
  return out;
}

// Sessions as rows one after the other make them.
Expected interpret_sessions(const std::vector<TestRow>& rows, int32_t partitions, int64_t gap, int64_t delay, int64_t lateness,
                            bool text_key) {
  struct Session {
    std::string key;
    int64_t start, end;
    std::vector<size_t> rows;
    bool shown = false;
  };
  Expected out;
  PlainWatermark mark(partitions, delay);
  std::vector<Session> sessions;
  const auto show = [&](const Session& s) {
    std::vector<const TestRow*> members;
    for (const size_t i : s.rows) members.push_back(&rows[i]);
    out.main.push_back(s.key + " | " + std::to_string(s.start) + " | " + std::to_string(s.end) + " | " + group_text(members));
  };
  const auto close_to = [&](int64_t to) {
    std::vector<Session*> due;
    for (Session& s : sessions) {
      if (!s.shown && s.end <= to) due.push_back(&s);
    }
    std::sort(due.begin(), due.end(), [](const Session* a, const Session* b) {
      return std::tie(a->end, a->start, a->rows[0]) < std::tie(b->end, b->start, b->rows[0]);
    });
    for (Session* s : due) {
      show(*s);
      s->shown = true;
    }
    const int64_t last = std::numeric_limits<int64_t>::max();
    std::erase_if(sessions, [&](const Session& s) { return s.shown && (to == last || s.end + lateness <= to); });
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    const TestRow& r = rows[i];
    const int64_t now = mark.value();
    if (now != kNone) close_to(now);
    Session mine{key_text(r, text_key), r.t, r.t + gap, {i}};
    bool met = false;
    for (const Session& s : sessions) met = met || (s.key == mine.key && s.start < r.t + gap && r.t < s.end);
    if (now != kNone && !met && mine.end + lateness <= now) {
      out.side.push_back(row_text(r, text_key));
    } else {
      for (const Session& s : sessions) {
        if (s.key != mine.key || s.start >= r.t + gap || r.t >= s.end) continue;
        mine.start = std::min(mine.start, s.start);
        mine.end = std::max(mine.end, s.end);
        mine.rows.insert(mine.rows.end(), s.rows.begin(), s.rows.end());
      }
      std::erase_if(sessions, [&](const Session& s) { return s.key == mine.key && s.start < r.t + gap && r.t < s.end; });
      std::sort(mine.rows.begin(), mine.rows.end());
      mine.shown = now != kNone && mine.end <= now;
      if (mine.shown) show(mine);
      sessions.push_back(std::move(mine));
    }
    mark.see(r);
  }
  close_to(std::numeric_limits<int64_t>::max());
  return out;
}

Expected interpret_counts(const std::vector<TestRow>& rows, int32_t partitions, int64_t count, int64_t ttl, int64_t delay, bool text_key) {
  Expected out;
  PlainWatermark mark(partitions, delay);
  struct Key {
    std::vector<size_t> rows;
    int64_t touched = kNone;
  };
  std::map<std::string, Key> keys;
  const auto show = [&](const std::string& key, const std::vector<size_t>& which) {
    std::vector<const TestRow*> members;
    for (const size_t i : which) members.push_back(&rows[i]);
    out.main.push_back(key + " | " + group_text(members));
  };
  const auto expired = [&](const Key& k) {
    return ttl > 0 && mark.value() != kNone && k.touched != kNone && k.touched + ttl <= mark.value();
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string name = key_text(rows[i], text_key);
    Key& key = keys[name];
    if (expired(key)) key = {};
    key.touched = std::max(key.touched, rows[i].t);
    key.rows.push_back(i);
    if (static_cast<int64_t>(key.rows.size()) == count) {
      show(name, key.rows);
      key = {};
    }
    mark.see(rows[i]);
  }
  std::vector<std::pair<size_t, std::string>> rest;
  for (const auto& [name, key] : keys) {
    if (!key.rows.empty() && !expired(key)) rest.emplace_back(key.rows[0], name);
  }
  std::sort(rest.begin(), rest.end());
  for (const auto& [first, name] : rest) show(name, keys[name].rows);
  return out;
}

std::vector<DriveConfig> configs(uint64_t seed, bool text_key) {
  std::vector<DriveConfig> out;
  for (const int workers : {1, 2, 3, 8}) {
    DriveConfig c;
    c.seed = seed * 31 + static_cast<uint64_t>(workers);
    c.workers = workers;
    c.text_key = text_key;
    c.morsel_rows = workers == 2 ? 1 : workers == 3 ? 17 : 400;
    c.batch_rows = workers == 8 ? 7 : 300;
    c.select = workers == 8;
    c.eager = workers == 3;
    if (workers > 1) c.restore_with = {workers == 2 ? 3 : 1, 8, 2};
    out.push_back(c);
  }
  return out;
}

void compare(const WindowSpec& spec, const std::vector<TestRow>& rows, int32_t partitions, const Expected& expected, uint64_t seed,
             bool text_key) {
  for (const DriveConfig& config : configs(seed, text_key)) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " workers " + std::to_string(config.workers));
    Drive drive([&] { return make_windows(spec, testing::test_schema(text_key)); }, {partitions}, config);
    Collected out;
    const arrow::Status status = drive.run(only(rows), &out);
    ASSERT_TRUE(status.ok()) << status.ToString();
    ASSERT_EQ(out.main.size(), expected.main.size());
    for (size_t i = 0; i < out.main.size(); ++i) ASSERT_EQ(out.main[i], expected.main[i]) << "row " << i;
    ASSERT_EQ(out.side, expected.side);
    if (spec.kind != WindowKind::kCount) {
      EXPECT_EQ(drive.op().stats().at("late_rows"), static_cast<int64_t>(expected.side.size()));
    }
  }
}

class WindowsAgainstInterpreter : public ::testing::TestWithParam<uint64_t> {};

TEST_P(WindowsAgainstInterpreter, TumblingWindowsAreThoseOfGoingRowByRow) {
  const uint64_t seed = GetParam();
  column::testing::RandomColumns random(seed);
  const auto partitions = static_cast<int32_t>(1 + random.below(4));
  const int64_t size = 5 + random.below(60), delay = random.below(3) * 10, lateness = random.below(3) * 25;
  const bool text_key = random.below(2) == 0;
  const auto rows = testing::random_rows(seed, 1500, partitions, 1 + random.below(12), 2, random.below(2) * 15);
  WindowSpec spec = spec_of(WindowKind::kTumbling, delay, lateness);
  spec.size = std::to_string(size);
  compare(spec, rows, partitions, interpret_time(rows, partitions, size, size, delay, lateness, text_key), seed, text_key);
}

TEST_P(WindowsAgainstInterpreter, HoppingWindowsAreThoseOfGoingRowByRow) {
  const uint64_t seed = GetParam();
  column::testing::RandomColumns random(seed + 1000);
  const auto partitions = static_cast<int32_t>(1 + random.below(3));
  const int64_t slide = 4 + random.below(12);
  const int64_t size =
      random.below(4) == 0 ? 3 : slide * (1 + random.below(4)) + random.below(2) * 2;  // also with gaps, also not a multiple
  const int64_t delay = random.below(3) * 8, lateness = random.below(3) * 15;
  const bool text_key = random.below(2) == 0;
  const auto rows = testing::random_rows(seed + 7, 1000, partitions, 1 + random.below(6), 2, random.below(2) * 12);
  WindowSpec spec = spec_of(WindowKind::kHopping, delay, lateness);
  spec.size = std::to_string(size);
  spec.slide = std::to_string(slide);
  compare(spec, rows, partitions, interpret_time(rows, partitions, size, slide, delay, lateness, text_key), seed, text_key);
}

TEST_P(WindowsAgainstInterpreter, SessionsAreThoseOfGoingRowByRow) {
  const uint64_t seed = GetParam();
  column::testing::RandomColumns random(seed + 2000);
  const auto partitions = static_cast<int32_t>(1 + random.below(3));
  const int64_t gap = 3 + random.below(30), delay = random.below(3) * 10, lateness = random.below(3) * 20;
  const bool text_key = random.below(2) == 0;
  const auto rows = testing::random_rows(seed + 13, 1200, partitions, 1 + random.below(10), 3, random.below(2) * 14);
  WindowSpec spec = spec_of(WindowKind::kSession, delay, lateness);
  spec.gap = std::to_string(gap);
  compare(spec, rows, partitions, interpret_sessions(rows, partitions, gap, delay, lateness, text_key), seed, text_key);
}

TEST_P(WindowsAgainstInterpreter, CountWindowsAreThoseOfGoingRowByRow) {
  const uint64_t seed = GetParam();
  column::testing::RandomColumns random(seed + 3000);
  const auto partitions = static_cast<int32_t>(1 + random.below(3));
  const int64_t count = 1 + random.below(9), ttl = random.below(2) * 40, delay = random.below(2) * 10;
  const bool text_key = random.below(2) == 0;
  const auto rows = testing::random_rows(seed + 17, 1200, partitions, 1 + random.below(40), 2, 10);
  WindowSpec spec = spec_of(WindowKind::kCount, delay, 0);
  spec.rows = count;
  if (ttl > 0) spec.ttl = std::to_string(ttl);
  compare(spec, rows, partitions, interpret_counts(rows, partitions, count, ttl, delay, text_key), seed, text_key);
}

TEST_P(WindowsAgainstInterpreter, WindowsWithoutKeysAreThoseOfGoingRowByRow) {
  const uint64_t seed = GetParam();
  column::testing::RandomColumns random(seed + 4000);
  const int64_t size = 10 + random.below(40), delay = random.below(2) * 12, lateness = random.below(2) * 30;
  auto rows = testing::random_rows(seed + 19, 900, 2, 5, 2, 12);
  WindowSpec spec = spec_of(random.below(2) == 0 ? WindowKind::kTumbling : WindowKind::kSession, delay, lateness);
  spec.keys.clear();
  spec.size = std::to_string(size);
  spec.gap = std::to_string(3 + size / 10);
  std::vector<TestRow> alike = rows;
  for (TestRow& r : alike) r.null_key = true;
  Expected expected = spec.kind == WindowKind::kTumbling ? interpret_time(alike, 2, size, size, delay, lateness, false)
                                                         : interpret_sessions(alike, 2, 3 + size / 10, delay, lateness, false);
  for (std::string& row : expected.main) row = row.substr(std::string("null | ").size());
  expected.side.clear();
  spec.side_output = false;
  for (const DriveConfig& config : configs(seed, false)) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " workers " + std::to_string(config.workers));
    Drive drive([&] { return make_windows(spec, testing::test_schema(false)); }, {2}, config);
    Collected out;
    const arrow::Status status = drive.run(only(rows), &out);
    ASSERT_TRUE(status.ok()) << status.ToString();
    ASSERT_EQ(out.main, expected.main);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, WindowsAgainstInterpreter, ::testing::Range<uint64_t>(1, 25));

// ---- one property each

TestRow at(int64_t t, int64_t k = 1, int32_t partition = 0) {
  TestRow r;
  r.t = t;
  r.k = k;
  r.partition = partition;
  r.x = 1;
  r.s = "s";
  return r;
}

WindowSpec counting(WindowKind kind, const std::string& length, int64_t delay = 0) {
  WindowSpec spec = spec_of(kind, delay, 0);
  spec.size = length;
  spec.gap = length;
  spec.aggregates = {expr::alias(expr::aggregate("count", {}), "n")};
  return spec;
}

std::vector<std::string> drive(const WindowSpec& spec, const std::vector<TestRow>& rows, int32_t partitions, bool end,
                               std::vector<std::string>* late = nullptr) {
  Drive d([&] { return make_windows(spec, testing::test_schema()); }, {partitions}, DriveConfig());
  Collected out;
  EXPECT_TRUE(d.run(only(rows), &out, end).ok());
  if (late) *late = out.side;
  return out.main;
}

TEST(Windows, TheWatermarkIsTheMinimumOverPartitions) {
  const auto spec = counting(WindowKind::kTumbling, "10");
  // Partition 1 has come to 12 only, so [10, 20) stays open though partition 0 is at 45.
  EXPECT_EQ(drive(spec, {at(1, 1, 0), at(45, 1, 0), at(12, 1, 1)}, 2, false), std::vector<std::string>{"1 | 0 | 10 | 1"});
}

TEST(Windows, APartitionThatHasShownNothingHoldsTheWatermarkBack) {
  EXPECT_TRUE(drive(counting(WindowKind::kTumbling, "10"), {at(1, 1, 0), at(95, 1, 0)}, 2, false).empty());
}

TEST(Windows, AWindowClosesWhenTheWatermarkReachesItsEnd) {
  const auto spec = counting(WindowKind::kTumbling, "10", 5);
  EXPECT_TRUE(drive(spec, {at(1), at(14)}, 1, false).empty());
  EXPECT_EQ(drive(spec, {at(1), at(15)}, 1, false), std::vector<std::string>{"1 | 0 | 10 | 1"});
}

TEST(Windows, LateRowsGoToTheSideOutputAndAreCounted) {
  std::vector<std::string> late;
  const auto rows = drive(counting(WindowKind::kTumbling, "10"), {at(1), at(25), at(3), at(26)}, 1, true, &late);
  EXPECT_EQ(rows, (std::vector<std::string>{"1 | 0 | 10 | 1", "1 | 20 | 30 | 2"}));
  EXPECT_EQ(late, std::vector<std::string>{"3 | 1 | 1 | s"});
}

TEST(Windows, ARowWithinTheAllowedLatenessShowsItsWindowAgain) {
  WindowSpec spec = counting(WindowKind::kTumbling, "10");
  spec.lateness = "20";
  std::vector<std::string> late;
  const auto rows = drive(spec, {at(1), at(25), at(3), at(31), at(4)}, 1, true, &late);
  EXPECT_EQ(rows, (std::vector<std::string>{"1 | 0 | 10 | 1", "1 | 0 | 10 | 2", "1 | 20 | 30 | 1", "1 | 30 | 40 | 1"}));
  EXPECT_EQ(late, std::vector<std::string>{"4 | 1 | 1 | s"});
}

TEST(Windows, ARowBetweenTwoSessionsMakesThemOne) {
  const auto spec = counting(WindowKind::kSession, "10", 100);
  EXPECT_EQ(drive(spec, {at(0), at(15), at(8)}, 1, true), std::vector<std::string>{"1 | 0 | 25 | 3"});
  // Exactly the gap apart is apart.
  EXPECT_EQ(drive(spec, {at(0), at(10)}, 1, true), (std::vector<std::string>{"1 | 0 | 10 | 1", "1 | 10 | 20 | 1"}));
}

TEST(Windows, AnIdlePartitionStopsHoldingTheWatermarkBackAfterTheSetTime) {
  WindowSpec spec = counting(WindowKind::kTumbling, "10");
  spec.watermark.idle_after = "30s";
  Drive d([&] { return make_windows(spec, testing::test_schema()); }, {2}, DriveConfig());
  Collected out;
  ASSERT_TRUE(d.run(only({at(1, 1, 0), at(45, 1, 0)}), &out, false).ok());
  EXPECT_TRUE(out.main.empty());
  Tick tick;
  tick.at_end = {1};
  tick.now_micros = 1'000'000;
  ASSERT_TRUE(d.op().on_tick(tick, out).ok());
  tick.now_micros += 29'000'000;
  ASSERT_TRUE(d.op().on_tick(tick, out).ok());
  EXPECT_TRUE(out.main.empty());
  tick.now_micros += 1'000'000;
  ASSERT_TRUE(d.op().on_tick(tick, out).ok());
  EXPECT_EQ(out.main, std::vector<std::string>{"1 | 0 | 10 | 1"});
}

TEST(Windows, StateBeyondTheMemoryLimitGoesToDisk) {
  WindowSpec spec = counting(WindowKind::kTumbling, "10", 1'000'000);
  std::vector<TestRow> rows;
  for (int64_t i = 0; i < 400'000; ++i) rows.push_back(at(i / 20'000 * 10, i));
  DriveConfig config;
  config.cap = int64_t{12} << 20;
  config.morsel_rows = config.batch_rows = 10'000;
  Drive d([&] { return make_windows(spec, testing::test_schema()); }, {1}, config);
  Collected out;
  const arrow::Status status = d.run(only(rows), &out);
  ASSERT_TRUE(status.ok()) << status.ToString();
  ASSERT_EQ(out.main.size(), 400'000U);
  EXPECT_EQ(out.main[0], "0 | 0 | 10 | 1");
  EXPECT_EQ(out.main[399'999], "399999 | 190 | 200 | 1");
  EXPECT_GT(d.op().stats().at("spilled_panes"), 0);
}

// As many keys as fit nowhere, each with a session or a window of rows that is open when the next one comes, snapshots between.
TEST(Windows, SessionsBeyondTheMemoryLimitGoToDisk) {
  constexpr int64_t kKeys = 120'000;
  WindowSpec spec = counting(WindowKind::kSession, "", 0);
  spec.gap = std::to_string(3 * kKeys);  // of the first two rows of a key, not of the third
  std::vector<TestRow> rows;
  for (int64_t i = 0; i < 2 * kKeys; ++i) rows.push_back(at(i, i % kKeys));
  for (int64_t i = 0; i < kKeys; ++i) rows.push_back(at(9 * kKeys + i, i));
  for (const bool restored : {false, true}) {
    DriveConfig config;
    config.cap = int64_t{24} << 20;
    config.morsel_rows = config.batch_rows = 10'000;
    if (restored) config.restore_with = {1, 1};
    Drive d([&] { return make_windows(spec, testing::test_schema()); }, {1}, config);
    Collected out;
    const arrow::Status status = d.run(only(rows), &out);
    ASSERT_TRUE(status.ok()) << status.ToString();
    ASSERT_EQ(out.main.size(), static_cast<size_t>(2 * kKeys));
    EXPECT_EQ(out.main[0], "0 | 0 | " + std::to_string(4 * kKeys) + " | 2");
    const std::string last = std::to_string(kKeys - 1);
    EXPECT_EQ(out.main[kKeys - 1], last + " | " + last + " | " + std::to_string(5 * kKeys - 1) + " | 2");
    EXPECT_EQ(out.main[2 * kKeys - 1].substr(out.main[2 * kKeys - 1].rfind(' ')), " 1");
    EXPECT_GT(d.op().stats().at("spills"), 0);
  }
}

TEST(Windows, CountWindowsBeyondTheMemoryLimitGoToDisk) {
  constexpr int64_t kKeys = 200'000;
  WindowSpec spec = counting(WindowKind::kCount, "", 0);
  spec.rows = 3;
  std::vector<TestRow> rows;
  for (int64_t i = 0; i < 4 * kKeys; ++i) rows.push_back(at(i, i % kKeys));
  DriveConfig config;
  config.cap = int64_t{24} << 20;
  config.morsel_rows = config.batch_rows = 10'000;
  Drive d([&] { return make_windows(spec, testing::test_schema()); }, {1}, config);
  Collected out;
  const arrow::Status status = d.run(only(rows), &out);
  ASSERT_TRUE(status.ok()) << status.ToString();
  ASSERT_EQ(out.main.size(), static_cast<size_t>(2 * kKeys));
  EXPECT_EQ(out.main[1], "1 | 3");
  EXPECT_EQ(out.main[kKeys + 5], "5 | 1");  // what is left at the end, by first rows
  EXPECT_GT(d.op().stats().at("spills"), 0);
}

TEST(Windows, AnEditedJobIsToldWhyItCannotGoOn) {
  const auto make = [](const std::string& size) {
    return [size] { return make_windows(counting(WindowKind::kTumbling, size), testing::test_schema()); };
  };
  Drive before(make("10"), {1}, DriveConfig());
  Collected out;
  ASSERT_TRUE(before.run(only({at(1), at(2)}), &out, false).ok());
  const testing::Parts parts = testing::snapshot_of(before.op());
  Drive after(make("20"), {1}, DriveConfig());
  ASSERT_TRUE(after.run({}, &out, false).ok());
  const arrow::Status refused = testing::restore_from(after.op(), parts);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.ToString().find("tumbling 10"), std::string::npos) << refused.ToString();
  EXPECT_NE(refused.ToString().find("tumbling 20"), std::string::npos) << refused.ToString();
}

TEST(Windows, WhatIsComputedOfAggregatesLeavesWithTheWindow) {
  WindowSpec spec = counting(WindowKind::kTumbling, "10");
  const auto x = expr::column("x");
  spec.aggregates = {expr::alias(expr::call("div", {expr::aggregate("sum", {x}), expr::aggregate("count", {})}), "per_row")};
  EXPECT_EQ(drive(spec, {at(1), at(2)}, 1, true), std::vector<std::string>{"1 | 0 | 10 | 1"});
}

TEST(Windows, WrongLengthsAreErrorsBeforeTheRun) {
  const auto refused = [](const WindowSpec& spec) { return make_windows(spec, testing::test_schema()).status().ToString(); };
  EXPECT_NE(refused(counting(WindowKind::kTumbling, "10s")).find("whole number"), std::string::npos);
  EXPECT_NE(refused(counting(WindowKind::kTumbling, "0")).find("longer than nothing"), std::string::npos);
  WindowSpec spec = counting(WindowKind::kTumbling, "10");
  spec.watermark.time = "nowhere";
  EXPECT_NE(refused(spec).find("nowhere"), std::string::npos);
  spec.watermark.time = "s";
  EXPECT_NE(refused(spec).find("not a timestamp"), std::string::npos);
  spec.watermark.time.clear();
  EXPECT_NE(refused(spec).find("with_watermark"), std::string::npos);
}

}  // namespace
}  // namespace gristmill::stream
