// Rows that wait for their groups give what looking up at once gives: the same query with filters that let every row pass never
// lets rows wait.

#include <cmath>
#include <set>

#include <arrow/builder.h>

#include "aggregate_driver.h"
#include "exec/group_pending.h"

namespace gristmill::exec {
namespace {

using namespace testing;  // NOLINT: the driver

TypePtr type(const char* text) { return ok(column::parse_type(text)); }

template <typename T, typename F>
Column numbers(const TypePtr& t, int64_t n, const std::vector<bool>& null, F&& f) {
  auto data = ok(column::allocate_zeroed(n * static_cast<int64_t>(sizeof(T)), column::testing::pool()));
  auto bits = ok(column::allocate_bits(n, column::testing::pool()));
  int64_t nulls = 0;
  for (int64_t i = 0; i < n; ++i) {
    store<T>(data->mutable_data() + i * static_cast<int64_t>(sizeof(T)), f(i));
    if (null[static_cast<size_t>(i)]) ++nulls;
    if (!null[static_cast<size_t>(i)]) bits->mutable_data()[i >> 3] |= static_cast<uint8_t>(1u << (i & 7));
  }
  return Column::flat(column::make_array(t, n, nulls > 0 ? bits : nullptr, nulls, data));
}

// Equal for equal keys: empty, short ones, and long ones that differ at their ends.
std::string text_of(int64_t key) {
  if (key == 0) return "";
  return key % 3 == 0 ? "k" + std::to_string(key) : std::string(static_cast<size_t>(10 + key % 40), 'x') + std::to_string(key);
}

Column texts(int64_t n, const std::vector<bool>& null, const std::function<int64_t()>& key) {
  arrow::StringViewBuilder builder;
  for (int64_t i = 0; i < n; ++i) {
    const std::string text = text_of(key());
    EXPECT_TRUE((null[static_cast<size_t>(i)] ? builder.AppendNull() : builder.Append(text)).ok());
  }
  return Column::flat(ok(builder.Finish())->data());
}

// int64 key, float64 key, float64, int32, decimal, bool, a bool that is always true, and a text key. Nulls in every third morsel.
Morsels data_of(uint64_t seed, int64_t keys, int count, int64_t rows) {
  RandomColumns random(seed);
  Morsels out;
  for (int m = 0; m < count; ++m) {
    Batch b;
    b.rows = rows;
    const auto nulls = [&] {
      std::vector<bool> null(static_cast<size_t>(rows));
      for (size_t i = 0; i < null.size(); ++i) null[i] = m % 3 == 1 && random.chance(0.05);
      return null;
    };
    const std::vector<double> odd = {0.0, -0.0, std::nan(""), -std::nan(""), INFINITY, -INFINITY, 1e300, 1e-300};
    const auto real = [&](int64_t) {
      return random.chance(0.02) ? random.pick(odd) : static_cast<double>(random.below(1'000'000'000)) * 1e-5;
    };
    b.columns.push_back(numbers<int64_t>(arrow::int64(), rows, nulls(), [&](int64_t) { return random.below(keys) * 7919; }));
    b.columns.push_back(numbers<double>(arrow::float64(), rows, nulls(), [&](int64_t) {
      const int64_t k = random.below(keys);
      return k < 8 ? odd[static_cast<size_t>(k)] : static_cast<double>(k) / 3;
    }));
    b.columns.push_back(numbers<double>(arrow::float64(), rows, nulls(), real));
    b.columns.push_back(numbers<int32_t>(arrow::int32(), rows, nulls(), [&](int64_t) { return static_cast<int32_t>(random.below(100)); }));
    b.columns.push_back(numbers<__int128>(type("decimal(9,2)"), rows, nulls(), [&](int64_t) { return random.below(100'000); }));
    b.columns.push_back(Column::flat(random.array(arrow::boolean(), rows)));
    auto all = ok(column::allocate_zeroed((rows + 7) / 8, column::testing::pool()));
    std::memset(all->mutable_data(), 0xff, static_cast<size_t>((rows + 7) / 8));
    b.columns.push_back(Column::flat(column::make_array(arrow::boolean(), rows, nullptr, 0, all)));
    b.columns.push_back(texts(rows, nulls(), [&] { return random.below(keys); }));
    b.selection = m % 4 == 2 ? random.selection(rows) : column::Selection();
    out.push_back(std::move(b));
  }
  return out;
}

AggregateSpec spec_of(const std::vector<int>& keys, bool filtered) {
  AggregateSpec spec;
  for (const int k : keys) spec.keys.push_back(input(k, k == 0 ? arrow::int64() : k == 1 ? arrow::float64() : arrow::utf8_view()));
  const auto f = input(2, arrow::float64()), i = input(3, arrow::int32()), d = input(4, type("decimal(9,2)")), b = input(5, arrow::boolean());
  const auto filter = filtered ? input(6, arrow::boolean()) : nullptr;
  for (const char* function : {"count", "sum", "mean", "min", "max", "first", "last", "var"}) {
    for (const auto& x : {f, i, d, b}) {
      const bool number = x != b && !(x == d && std::string(function) == "var");
      if (number || std::string(function) == "count" || std::string(function) == "first" || std::string(function) == "max")
        spec.aggregates.push_back(aggregate(function, {x}, filter));
    }
  }
  spec.aggregates.push_back(aggregate("count", {}, filter));
  return spec;
}

void check(const std::vector<int>& keys, uint64_t seed, int64_t distinct, int64_t cap = 0) {
  const Morsels data = data_of(seed, distinct, 9, 9000);
  for (const bool ordered : {true, false}) {
    AggregateSpec at_once = spec_of(keys, true), later = spec_of(keys, false);
    at_once.ordered = later.ordered = ordered;
    const Table wanted = cells(ok(run(at_once, data, {}, context_of({}))));
    const std::vector<RunConfig> configs = {{.seed = seed},
                                            {.seed = seed, .workers = 3, .cut_rows = 1000},
                                            {.seed = seed, .workers = 2, .cut_rows = 4000, .eager = true},
                                            {.seed = seed, .workers = 2, .cut_rows = 2000, .cap = cap}};
    for (const RunConfig& config : configs) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", workers " + std::to_string(config.workers) + (config.eager ? ", spilling" : ""));
      base::ProcessBudget process(int64_t{4} << 30);
      const QueryContext context = context_of(config, &process);
      const Table actual = cells(ok(run(later, data, config, context)));
      ASSERT_EQ(actual.size(), wanted.size());
      for (size_t r = 0; r < wanted.size(); ++r) ASSERT_EQ(actual[r], wanted[r]) << "group " << r;
      EXPECT_EQ(context.memory->spilled_bytes() > 0, config.eager || config.cap > 0);
    }
  }
}

TEST(AggregatePending, OneKey) { check({0}, 1, 40'000); }
TEST(AggregatePending, OneKeyManyTimes) { check({0}, 2, 12'000); }
TEST(AggregatePending, OneFloatKey) { check({1}, 3, 60'000); }
TEST(AggregatePending, TwoKeys) { check({0, 1}, 4, 400); }
TEST(AggregatePending, InLittleMemory) { check({0}, 5, 50'000, int64_t{12} << 20); }
TEST(AggregatePending, OneText) { check({7}, 7, 40'000); }
TEST(AggregatePending, OneTextManyTimes) { check({7}, 8, 12'000); }
TEST(AggregatePending, TextsAndNumbers) { check({7, 0, 1}, 9, 60); }
TEST(AggregatePending, TextsInLittleMemory) { check({7, 0}, 10, 300, int64_t{16} << 20); }

// A group's key outlives the batch it came with, and counts while it lives.
TEST(AggregatePending, TablesHoldTheTextsTheirKeysPointAt) {
  const Morsels data = data_of(11, 100'000, 4, 9000);
  base::ProcessBudget process(int64_t{4} << 30);
  const RunConfig config{.seed = 11, .workers = 2, .cut_rows = 500};
  const QueryContext context = context_of(config, &process);
  const Table actual = cells(ok(run(spec_of({7}, false), data, config, context)));
  std::set<std::string> keys;
  for (const auto& row : actual) keys.insert(row[0]);
  EXPECT_EQ(keys.size(), actual.size());
  EXPECT_GT(actual.size(), 20'000u);
}

TEST(AggregatePending, ExpectsAsManyGroupsAsThereAre) {
  RandomColumns random(6);
  for (const int64_t keys : {100, 5000, 20'000, 1'000'000}) {
    constexpr int64_t kSeen = 8192, kRows = 150'000;
    std::set<int64_t> groups;
    int64_t at_seen = 0;
    for (int64_t i = 0; i < kRows; ++i) {
      groups.insert(random.below(keys));
      if (i + 1 == kSeen) at_seen = static_cast<int64_t>(groups.size());
    }
    const int64_t expected = expected_groups(at_seen, kSeen, kRows);
    EXPECT_NEAR(static_cast<double>(expected), static_cast<double>(groups.size()), 0.1 * static_cast<double>(groups.size())) << keys;
  }
  EXPECT_EQ(expected_groups(100, 100, 1000), 1000);
  EXPECT_EQ(expected_groups(7, 100, 100), 7);
  EXPECT_EQ(expected_groups(0, 0, 50), 0);
}

}  // namespace
}  // namespace gristmill::exec
