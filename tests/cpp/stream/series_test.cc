// Time series against the plainest way to compute them, over cuts, workers and stops.

#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "expr/node.h"
#include "operator_driver.h"
#include "stream/series.h"

namespace gristmill::stream {
namespace {

using testing::Collected;
using testing::Drive;
using testing::DriveConfig;
using testing::only;
using testing::PlainWatermark;
using testing::TestRow;

std::string number(double v) {
  const auto c = column::testing::ok(column::constant_of(*arrow::MakeScalar(v), arrow::default_memory_pool()));
  return column::value_text(c, 0);
}

SeriesSpec spec_of(SeriesKind kind, std::optional<int64_t> delay) {
  SeriesSpec spec;
  spec.kind = kind;
  if (delay) {
    spec.time = EventTime{};
    spec.time->time = "t";
    spec.time->delay = std::to_string(*delay);
  }
  spec.keys = {expr::column("k")};
  spec.column = "x";
  spec.output = "y";
  return spec;
}

// The rows in the order the series sees them.
std::vector<TestRow> seen(const std::vector<TestRow>& rows, int32_t partitions, std::optional<int64_t> delay) {
  if (!delay) return rows;
  std::vector<TestRow> out;
  PlainWatermark mark(partitions, *delay);
  for (const TestRow& r : rows) {
    if (mark.value() == PlainWatermark::kNone || r.t >= mark.value()) out.push_back(r);
    mark.see(r);
  }
  std::stable_sort(out.begin(), out.end(), [](const TestRow& a, const TestRow& b) { return a.t < b.t; });
  return out;
}

std::string key_of(const TestRow& r) { return r.null_key ? "null" : std::to_string(r.k); }
std::string text(const TestRow& r) {
  return std::to_string(r.t) + " | " + key_of(r) + " | " + (r.null_x ? "null" : number(r.x)) + " | " + r.s;
}

void compare(const SeriesSpec& spec, const std::vector<TestRow>& rows, int32_t partitions, const std::vector<std::string>& expected,
             uint64_t seed) {
  for (const int workers : {1, 2, 3, 8}) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " workers " + std::to_string(workers));
    DriveConfig config;
    config.seed = seed * 13 + static_cast<uint64_t>(workers);
    config.workers = workers;
    config.morsel_rows = workers == 2 ? 1 : 300;
    config.batch_rows = workers == 3 ? 9 : 250;
    config.select = workers == 8;
    if (workers > 1) config.restore_with = {2, 1, 5};
    Drive drive([&] { return make_series(spec, testing::test_schema()); }, {partitions}, config);
    Collected out;
    const arrow::Status status = drive.run(only(rows), &out);
    ASSERT_TRUE(status.ok()) << status.ToString();
    ASSERT_EQ(out.main.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(out.main[i], expected[i]) << "row " << i;
  }
}

class Series : public ::testing::TestWithParam<uint64_t> {
 protected:
  uint64_t seed() const { return GetParam(); }
  std::optional<int64_t> delay() const {
    return seed() % 3 == 0 ? std::nullopt : std::optional<int64_t>(static_cast<int64_t>(seed() % 2) * 15);
  }
  std::vector<TestRow> rows() const { return testing::random_rows(seed(), 900, 2, 5, 2, 12); }
};

TEST_P(Series, RollingAggregatesAreThoseOfTheRowsInside) {
  for (const RollingKind kind :
       {RollingKind::kSum, RollingKind::kMean, RollingKind::kMin, RollingKind::kMax, RollingKind::kCount, RollingKind::kVar}) {
    const bool by_time = delay() && seed() % 2 == 0;
    SeriesSpec spec = spec_of(SeriesKind::kRolling, delay());
    spec.rolling = kind;
    if (by_time) {
      spec.length = "30";
    } else {
      spec.rows = 4;
      spec.min_periods = 2;
    }
    std::map<std::string, std::vector<TestRow>> history;
    std::vector<std::string> expected;
    for (const TestRow& r : seen(rows(), 2, delay())) {
      auto& h = history[key_of(r)];
      h.push_back(r);
      std::vector<double> x;
      for (size_t i = by_time || h.size() < 4 ? 0 : h.size() - 4; i < h.size(); ++i) {
        if (!h[i].null_x && (!by_time || h[i].t > r.t - 30)) x.push_back(h[i].x);
      }
      const auto n = static_cast<double>(x.size());
      std::string value = "null";
      if (kind == RollingKind::kCount) {
        value = number(n);
      } else if (x.size() >= (by_time ? 1U : 2U) && (kind != RollingKind::kVar || x.size() > 1)) {
        double sum = 0, squares = 0;
        for (const double v : x) {
          sum += v * 8;
          squares += v * v * 64;
        }
        switch (kind) {
          case RollingKind::kSum: value = number(sum / 8); break;
          case RollingKind::kMean: value = number(sum / 8 / n); break;
          case RollingKind::kMin: value = number(*std::min_element(x.begin(), x.end())); break;
          case RollingKind::kMax: value = number(*std::max_element(x.begin(), x.end())); break;
          default: value = number((n * squares - sum * sum) / (64 * n * (n - 1)));
        }
      }
      expected.push_back(text(r) + " | " + value);
    }
    compare(spec, rows(), 2, expected, seed());
  }
}

TEST_P(Series, EwmaAndLogReturnsFollowTheValuesOfTheKey) {
  SeriesSpec spec = spec_of(SeriesKind::kEwma, delay());
  spec.alpha = 0.25;
  std::map<std::string, std::pair<double, double>> sums;
  std::map<std::string, double> before;
  std::vector<std::string> averages, ratios;
  for (const TestRow& r : seen(rows(), 2, delay())) {
    auto& [sum, weight] = sums[key_of(r)];
    if (!r.null_x) {
      sum = r.x + 0.75 * sum;
      weight = 1 + 0.75 * weight;
    }
    averages.push_back(text(r) + " | " + (r.null_x ? "null" : number(sum / weight)));
    const auto last = before.find(key_of(r));
    // Positive or not, the logarithm of the ratio to the last bit of the library's would be too much to ask: where it is 0.
    ratios.push_back(text(r) + " | " + (r.null_x || last == before.end() ? "null" : last->second == r.x && r.x != 0 ? number(0.0) : "?"));
    if (!r.null_x) before[key_of(r)] = r.x;
  }
  compare(spec, rows(), 2, averages, seed());
  Drive drive([&] { return make_series(spec_of(SeriesKind::kLogReturn, delay()), testing::test_schema()); }, {2}, DriveConfig());
  Collected out;
  ASSERT_TRUE(drive.run(only(rows()), &out).ok());
  ASSERT_EQ(out.main.size(), ratios.size());
  for (size_t i = 0; i < ratios.size(); ++i) {
    if (ratios[i].ends_with("?")) continue;
    ASSERT_EQ(out.main[i], ratios[i]) << i;
  }
}

TEST_P(Series, FillingForwardBackwardAndWithMeans) {
  for (const FillKind kind : {FillKind::kForward, FillKind::kBackward, FillKind::kMean, FillKind::kLinear}) {
    if (kind == FillKind::kLinear && !delay()) continue;
    SeriesSpec spec = spec_of(SeriesKind::kFill, delay());
    spec.fill = kind;
    const auto with = [](const TestRow& r, const std::string& x) {
      return std::to_string(r.t) + " | " + key_of(r) + " | " + x + " | " + r.s;
    };
    struct Key {
      std::optional<TestRow> last;
      std::vector<TestRow> waiting;
      double sum = 0, n = 0;
    };
    std::map<std::string, Key> keys;
    std::vector<std::string> expected;
    std::vector<TestRow> order = seen(rows(), 2, delay());
    for (const TestRow& r : order) {
      Key& key = keys[key_of(r)];
      if (r.null_x && (kind == FillKind::kBackward || (kind == FillKind::kLinear && key.last))) {
        key.waiting.push_back(r);
        continue;
      }
      for (const TestRow& w : key.waiting) {
        const double share = kind == FillKind::kLinear && r.t > key.last->t
                                 ? static_cast<double>(w.t - key.last->t) / static_cast<double>(r.t - key.last->t)
                                 : 1;
        expected.push_back(with(w, number(kind == FillKind::kBackward ? r.x : key.last->x + (r.x - key.last->x) * share)));
      }
      key.waiting.clear();
      if (!r.null_x) {
        key.last = r;
        key.sum += r.x;
        ++key.n;
      }
      std::string value = r.null_x ? "null" : number(r.x);
      if (r.null_x && kind == FillKind::kForward && key.last) value = number(key.last->x);
      if (r.null_x && kind == FillKind::kMean && key.n > 0) value = number(key.sum / key.n);
      expected.push_back(with(r, value));
    }
    // What waits at the end leaves without a value, key by key in the order of their first such row.
    std::map<std::pair<int64_t, size_t>, const Key*> rest;
    for (auto& [name, key] : keys) {
      if (key.waiting.empty()) continue;
      const auto first = std::find_if(order.begin(), order.end(), [&](const TestRow& r) { return r.s == key.waiting[0].s; });
      rest[{delay() ? first->t : 0, static_cast<size_t>(first - order.begin())}] = &key;
    }
    for (const auto& [at, key] : rest) {
      for (const TestRow& w : key->waiting) expected.push_back(with(w, "null"));
    }
    compare(spec, rows(), 2, expected, seed());
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Series, ::testing::Range<uint64_t>(1, 13));

TestRow at(int64_t t, double x, int64_t k = 1) {
  TestRow r;
  r.t = t;
  r.k = k;
  r.x = x;
  r.s = "s";
  return r;
}

std::vector<std::string> drive(const SeriesSpec& spec, const std::vector<TestRow>& rows) {
  Drive d([&] { return make_series(spec, testing::test_schema()); }, {1}, DriveConfig());
  Collected out;
  const arrow::Status status = d.run(only(rows), &out);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return out.main;
}

TEST(SeriesSteps, GapsBetweenRowsOfAKeyAreFilled) {
  SeriesSpec spec = spec_of(SeriesKind::kGaps, 0);
  spec.column = "t";
  spec.every = "10";
  spec.fill = FillKind::kLinear;
  EXPECT_EQ(drive(spec, {at(0, 1), at(30, 4)}),
            (std::vector<std::string>{"0 | 1 | 1 | s", "10 | 1 | 2 | null", "20 | 1 | 3 | null", "30 | 1 | 4 | s"}));
  spec.fill = FillKind::kForward;
  EXPECT_EQ(drive(spec, {at(0, 1), at(20, 4)}), (std::vector<std::string>{"0 | 1 | 1 | s", "10 | 1 | 1 | s", "20 | 1 | 4 | s"}));
  spec.fill = FillKind::kBackward;
  EXPECT_EQ(drive(spec, {at(0, 1), at(20, 4)}), (std::vector<std::string>{"0 | 1 | 1 | s", "10 | 1 | 4 | s", "20 | 1 | 4 | s"}));
  spec.fill = FillKind::kZero;
  EXPECT_EQ(drive(spec, {at(0, 1), at(20, 4)}), (std::vector<std::string>{"0 | 1 | 1 | s", "10 | 1 | 0 | null", "20 | 1 | 4 | s"}));
  spec.fill = FillKind::kNull;
  EXPECT_EQ(drive(spec, {at(0, 1), at(20, 4)}), (std::vector<std::string>{"0 | 1 | 1 | s", "10 | 1 | null | null", "20 | 1 | 4 | s"}));
}

TEST(SeriesSteps, TimeDifferencesAreTicksBetweenRowsOfAKey) {
  EXPECT_EQ(drive(spec_of(SeriesKind::kTimeDifference, 0), {at(5, 1), at(7, 1, 2), at(12, 1)}),
            (std::vector<std::string>{"5 | 1 | 1 | s | null", "7 | 2 | 1 | s | null", "12 | 1 | 1 | s | 7"}));
}

TEST(SeriesSteps, AKeyThatShowsNothingForItsTimeToLiveStartsAnew) {
  SeriesSpec spec = spec_of(SeriesKind::kRolling, 0);
  spec.rolling = RollingKind::kSum;
  spec.rows = 10;
  spec.min_periods = 1;
  spec.ttl = "20";
  EXPECT_EQ(drive(spec, {at(0, 1), at(19, 1), at(39, 1)}),
            (std::vector<std::string>{"0 | 1 | 1 | s | 1", "19 | 1 | 1 | s | 2", "39 | 1 | 1 | s | 1"}));
}

TEST(SeriesSteps, WhatCannotBeIsAnErrorBeforeTheRun) {
  const auto refused = [](const SeriesSpec& spec) { return make_series(spec, testing::test_schema()).status().ToString(); };
  SeriesSpec spec = spec_of(SeriesKind::kFill, std::nullopt);
  spec.fill = FillKind::kLinear;
  EXPECT_NE(refused(spec).find("needs event time"), std::string::npos);
  spec = spec_of(SeriesKind::kEwma, 0);
  spec.alpha = 2;
  EXPECT_NE(refused(spec).find("alpha"), std::string::npos);
  spec = spec_of(SeriesKind::kRolling, 0);
  EXPECT_NE(refused(spec).find("rolling window"), std::string::npos);
  spec = spec_of(SeriesKind::kLogReturn, 0);
  spec.column = "s";
  EXPECT_NE(refused(spec).find("not a number"), std::string::npos);
}

}  // namespace
}  // namespace gristmill::stream
