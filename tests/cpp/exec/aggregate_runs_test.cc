// Keys that stand in runs: where they start, and that groups are the same however rows find them.

#include "aggregate_driver.h"
#include "exec/group_runs.h"

namespace gristmill::exec {
namespace {

using namespace testing;  // NOLINT: the driver

TypePtr type(const char* name) { return ok(column::parse_type(name)); }

// Row numbers of `distinct` rows, each so many times in a row.
std::vector<int64_t> in_runs(RandomColumns& random, int64_t rows, int64_t distinct, int64_t longest) {
  std::vector<int64_t> out;
  while (static_cast<int64_t>(out.size()) < rows) {
    const int64_t row = random.below(distinct), times = std::min(1 + random.below(longest), rows - static_cast<int64_t>(out.size()));
    out.insert(out.end(), static_cast<size_t>(times), row);
  }
  return out;
}

Batch in_runs(RandomColumns& random, const std::vector<TypePtr>& keys, int64_t rows, int64_t distinct, int64_t longest) {
  const std::vector<int64_t> which = in_runs(random, rows, distinct, longest);
  Batch out;
  out.rows = rows;
  for (const TypePtr& t : keys) {
    const Column c = random.column(t, distinct);
    out.columns.push_back(c.is_constant() ? c : ok(column::take(c, std::span<const int64_t>(which), column::testing::pool())));
  }
  return out;
}

TEST(KeyRuns, RowsOfARunAreEqual) {
  int found = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomColumns random(seed);
    std::vector<TypePtr> types;
    for (int64_t k = 1 + random.below(3); k > 0; --k) types.push_back(random.pick(column::testing::flat_types()));
    const Batch b = in_runs(random, types, 300 + random.below(3000), 40, 2 + random.below(60));
    std::vector<int32_t> starts;
    if (!find_key_runs(b.columns, b.rows, &starts)) continue;
    ++found;
    ASSERT_EQ(starts.at(0), 0);
    ASSERT_LE(static_cast<int64_t>(starts.size()) * 4, b.rows);
    size_t next = 1;
    for (int32_t j = 1; j < b.rows; ++j) {
      if (next < starts.size() && starts[next] == j) {
        ++next;
        continue;
      }
      for (const Column& c : b.columns) ASSERT_TRUE(column::equal_rows(c, j - 1, c, j)) << "row " << j;
    }
    ASSERT_EQ(next, starts.size());
  }
  EXPECT_GT(found, 60);
}

TEST(KeyRuns, OfOneRowAreNone) {
  RandomColumns random(7);
  const Batch b = in_runs(random, {type("int64"), type("string")}, 5000, 2000, 1);
  std::vector<int32_t> starts;
  EXPECT_FALSE(find_key_runs(b.columns, b.rows, &starts));
}

// Each morsel brings keys of its own, so that neither their values nor their order repay remembering; some come again.
void check_runs(const std::vector<const char*>& names, uint64_t seed, int64_t longest) {
  RandomColumns random(seed);
  std::vector<TypePtr> types;
  for (const char* n : names) types.push_back(type(n));
  Morsels data;
  for (int m = 0; m < 9; ++m) {
    Batch b = m % 3 == 2 ? data[static_cast<size_t>(m - 2)] : in_runs(random, types, 600, 50, longest);
    if (m % 3 != 2) {
      b.columns.push_back(random.flat(type("float64"), b.rows));
      b.columns.push_back(random.flat(type("string"), b.rows));
    }
    data.push_back(std::move(b));
  }
  AggregateSpec spec;
  for (size_t k = 0; k < types.size(); ++k) spec.keys.push_back(input(static_cast<int>(k), types[k]));
  const auto values = static_cast<int>(types.size());
  const auto number = input(values, type("float64")), text = input(values + 1, type("string"));
  spec.aggregates = {aggregate("count", {}), aggregate("sum", {number}), aggregate("max", {text}), aggregate("first", {number}),
                     aggregate("last", {text})};
  const Reference reference(spec, data);
  const auto groups = reference.groups();
  const std::vector<RunConfig> configs = {{.seed = seed}, {.seed = seed, .workers = 3}, {.seed = seed, .workers = 2, .eager = true}};
  for (const RunConfig& config : configs) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", workers " + std::to_string(config.workers) + (config.eager ? ", spilling" : ""));
    const Table actual = cells(ok(run(spec, data, config, context_of(config))));
    ASSERT_EQ(actual.size(), groups.size());
    for (size_t g = 0; g < groups.size(); ++g) {
      for (size_t a = 0; a < spec.aggregates.size(); ++a)
        ASSERT_EQ(actual[g][types.size() + a], reference.value(spec.aggregates[a], groups[g])) << "group " << g << ", aggregate " << a;
    }
  }
}

TEST(AggregateRuns, OfSeveralKeys) {
  uint64_t seed = 40;
  for (const int64_t longest : {100, 9, 3}) {
    check_runs({"timestamp(us,UTC)", "string"}, ++seed, longest);
    check_runs({"string", "float64", "date"}, ++seed, longest);
    check_runs({"string", "decimal(38,4)"}, ++seed, longest);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(AggregateRuns, OfOneText) { check_runs({"string"}, 60, 50); }

}  // namespace
}  // namespace gristmill::exec
