// Users' operators with state and timers: sums by key that leave a set time after the first row of the key, against a plain simulation.

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include "operator_driver.h"
#include "stream/keyed_operator.h"

namespace gristmill::stream {
namespace {

using testing::Collected;
using testing::Drive;
using testing::DriveConfig;
using testing::only;
using testing::PlainWatermark;
using testing::TestRow;

constexpr int64_t kWait = 25;

// Counts rows; when kWait has gone by since the first one, the count leaves and begins anew.
class CountAndWait final : public KeyedOperator {
 public:
  std::string name() const override { return "count and wait"; }
  arrow::Result<std::shared_ptr<arrow::Schema>> output_schema(const std::shared_ptr<arrow::Schema>&) const override {
    return arrow::schema({arrow::field("k", arrow::int64()), arrow::field("at", arrow::int64()), arrow::field("n", arrow::int64())});
  }
  arrow::Result<RecordBatchPtr> process(RecordBatchPtr rows, KeyContext& context) override {
    const int64_t before = context.state().empty() ? 0 : std::stoll(context.state());
    if (before == 0) context.set_timer(context.time() + kWait);
    context.set_state(std::to_string(before + rows->num_rows()));
    return RecordBatchPtr();
  }
  arrow::Result<RecordBatchPtr> on_timer(KeyContext& context) override {
    const RecordBatchPtr key = context.key();
    if (!key) return arrow::Status::Invalid("no key");
    arrow::Int64Builder at, n;
    ARROW_RETURN_NOT_OK(at.Append(context.time()));
    ARROW_RETURN_NOT_OK(n.Append(std::stoll(context.state())));
    context.set_state("");
    ARROW_ASSIGN_OR_RAISE(auto at_column, at.Finish());
    ARROW_ASSIGN_OR_RAISE(auto n_column, n.Finish());
    ARROW_ASSIGN_OR_RAISE(auto schema, output_schema(nullptr));
    return arrow::RecordBatch::Make(schema, 1, {key->column(0), at_column, n_column});
  }
};

KeyedSpec spec_of(int64_t delay) {
  KeyedSpec spec;
  spec.time.time = "t";
  spec.time.delay = std::to_string(delay);
  spec.keys = {"k"};
  spec.make = [] { return std::make_shared<CountAndWait>(); };
  return spec;
}

// Groups of one time and timers of one time may stand in any order to the test, so it sorts what leaves at one time.
std::vector<std::string> sorted_by_time(std::vector<std::string> rows) {
  const auto time_of = [](const std::string& row) { return std::stoll(row.substr(row.find(" | ") + 3)); };
  std::stable_sort(rows.begin(), rows.end(), [&](const std::string& a, const std::string& b) {
    return std::make_tuple(time_of(a), a) < std::make_tuple(time_of(b), b);
  });
  return rows;
}

class KeyedOperators : public ::testing::TestWithParam<uint64_t> {};

TEST_P(KeyedOperators, TimersComeInTheOrderOfTimeBetweenRows) {
  const uint64_t seed = GetParam();
  const int64_t delay = static_cast<int64_t>(seed % 3) * 10;
  const auto rows = testing::random_rows(seed, 800, 2, 7, 2, 12);
  std::vector<TestRow> seen;
  PlainWatermark mark(2, delay);
  for (const TestRow& r : rows) {
    if (mark.value() == PlainWatermark::kNone || r.t >= mark.value()) seen.push_back(r);
    mark.see(r);
  }
  std::stable_sort(seen.begin(), seen.end(), [](const TestRow& a, const TestRow& b) { return a.t < b.t; });
  std::map<std::string, int64_t> counts;
  std::set<std::pair<int64_t, std::string>> timers;
  std::vector<std::string> expected;
  const auto fire_to = [&](int64_t t) {
    while (!timers.empty() && timers.begin()->first <= t) {
      const auto [at, key] = *timers.begin();
      timers.erase(timers.begin());
      expected.push_back(key + " | " + std::to_string(at) + " | " + std::to_string(counts[key]));
      counts[key] = 0;
    }
  };
  for (const TestRow& r : seen) {
    fire_to(r.t);
    const std::string key = r.null_key ? "null" : std::to_string(r.k);
    if (counts[key]++ == 0) timers.emplace(r.t + kWait, key);
  }
  fire_to(std::numeric_limits<int64_t>::max());
  expected = sorted_by_time(std::move(expected));
  std::vector<std::string> first;
  for (const int workers : {1, 2, 3, 8}) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " workers " + std::to_string(workers));
    DriveConfig config;
    config.seed = seed + static_cast<uint64_t>(workers);
    config.workers = workers;
    config.morsel_rows = workers == 2 ? 1 : 200;
    config.batch_rows = workers == 3 ? 4 : 150;
    if (workers > 1) config.restore_with = {3, 1};
    Drive drive([&] { return make_keyed(spec_of(delay), testing::test_schema()); }, {2}, config);
    Collected out;
    const arrow::Status status = drive.run(only(rows), &out);
    ASSERT_TRUE(status.ok()) << status.ToString();
    ASSERT_EQ(sorted_by_time(out.main), expected);
    if (first.empty()) first = out.main;
    ASSERT_EQ(out.main, first);  // to the row
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, KeyedOperators, ::testing::Range<uint64_t>(1, 16));

}  // namespace
}  // namespace gristmill::stream
