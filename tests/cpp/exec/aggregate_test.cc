// Aggregation against the naive reference over random keys, arguments, splits and schedules; the same bits everywhere.

#include <arrow/array/builder_binary.h>

#include "aggregate_driver.h"

namespace gristmill::exec {
namespace {

using namespace testing;  // NOLINT: the driver

TypePtr type(const char* text) { return ok(column::parse_type(text)); }

class ConstantHash {
 public:
  ConstantHash() { column::force_constant_hash(0x1234567812345678ULL); }
  ~ConstantHash() { column::force_constant_hash(0); }
};

// keys | int64, float64, string, decimal, bool, filter
std::vector<expr::BoundAggregate> many_aggregates(int first) {
  const auto i = input(first, type("int32")), f = input(first + 1, type("float64")), s = input(first + 2, type("string")),
             d = input(first + 3, type("decimal(9,2)")), b = input(first + 4, type("bool"));
  return {aggregate("count", {}),   aggregate("count", {f}),   aggregate("sum", {i}),      aggregate("mean", {i}),
          aggregate("sum", {f}),    aggregate("mean", {f}),    aggregate("sum", {d}),      aggregate("mean", {d}),
          aggregate("min", {f}),    aggregate("max", {f}),     aggregate("min", {s}),      aggregate("max", {s}),
          aggregate("min", {b}),    aggregate("max", {b}),     aggregate("first", {s}),    aggregate("last", {s}),
          aggregate("first", {f}),  aggregate("last", {d}),    aggregate("var", {f}),      aggregate("std", {f}, nullptr, 0),
          aggregate("sum", {f}, b), aggregate("count", {}, b), aggregate("first", {i}, b), aggregate("last", {s}, b),
          aggregate("max", {d}),    aggregate("var", {i})};
}

const std::vector<TypePtr> kArguments = {type("int32"), type("float64"), type("string"), type("decimal(9,2)"), type("bool")};

void check_keys(const std::vector<TypePtr>& key_types, uint64_t seed, int64_t rows = 60, int morsels = 5) {
  RandomColumns random(seed);
  std::vector<TypePtr> types = key_types;
  types.insert(types.end(), kArguments.begin(), kArguments.end());
  const Morsels data = random_morsels(random, types, rows, morsels);
  AggregateSpec spec;
  for (size_t k = 0; k < key_types.size(); ++k) spec.keys.push_back(input(static_cast<int>(k), key_types[k]));
  spec.aggregates = many_aggregates(static_cast<int>(key_types.size()));
  for (const RunConfig& config : configs(seed)) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", workers " + std::to_string(config.workers) + ", cut " +
                 std::to_string(config.cut_rows) + (config.eager ? ", spilling" : ""));
    check(spec, data, config);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(Aggregate, WithoutKeysGivesOneRow) {
  for (uint64_t seed = 1; seed <= 6; ++seed) check_keys({}, seed, 400);
}

TEST(Aggregate, WithoutKeysGivesOneRowOverNothing) {
  AggregateSpec spec;
  spec.aggregates = many_aggregates(0);
  for (const RunConfig& config : configs(1)) {
    const Table actual = cells(ok(run(spec, {}, config, context_of(config))));
    ASSERT_EQ(actual.size(), 1u);
    for (size_t a = 0; a < spec.aggregates.size(); ++a) {
      EXPECT_EQ(actual[0][a], spec.aggregates[a].function == "count" ? "0" : "null") << spec.aggregates[a].function;
    }
  }
}

TEST(Aggregate, WithKeysGivesNothingOverNothing) {
  AggregateSpec spec;
  spec.keys = {input(0, type("int64"))};
  spec.aggregates = {aggregate("count", {})};
  for (const RunConfig& config : configs(1)) EXPECT_TRUE(ok(run(spec, {}, config, context_of(config))).empty());
}

TEST(Aggregate, GroupsByEveryType) {
  uint64_t seed = 100;
  for (const TypePtr& t : column::testing::all_types()) {
    SCOPED_TRACE(column::type_text(*t));
    if (column::physical_unchecked(*t) == column::Physical::kNested) continue;  // below
    check_keys({t}, ++seed);
  }
}

TEST(Aggregate, GroupsBySeveralKeys) {
  uint64_t seed = 200;
  const std::vector<std::vector<const char*>> all = {
      {"int32", "int16"},
      {"int64", "bool"},
      {"string", "string"},
      {"string", "int64"},
      {"decimal(38,4)", "int8"},
      {"float64", "date"},
      {"binary", "bool", "uint8"},
      {"int64", "int64", "int64"},
      {"bool", "bool"},
      {"null", "string"},
      {"uint64", "timestamp(ns,UTC)"},
      {"int64", "int64", "int64", "int64", "int32"},
  };
  for (const auto& names : all) {
    std::vector<TypePtr> types;
    for (const char* n : names) types.push_back(type(n));
    check_keys(types, ++seed);
    if (HasFatalFailure()) return;
  }
}

// Texts that differ in one byte, wherever it stands.
TEST(Aggregate, FindsTheGreatestOfTextsThatAreNearlyEqual) {
  for (int length = 1; length <= 80; ++length) {
    for (int at = 0; at < length; ++at) {
      std::string less(static_cast<size_t>(length), 'm'), more = less;
      more[static_cast<size_t>(at)] = 'n';
      arrow::StringViewBuilder builder;
      for (const auto& text : {less, more, less}) ASSERT_TRUE(builder.Append(text).ok());
      Batch b;
      b.rows = 3;
      b.columns = {RandomColumns(1).constant(type("int64"), 0), Column::flat(ok(builder.Finish())->data())};
      AggregateSpec spec;
      spec.keys = {input(0, type("int64"))};
      spec.aggregates = {aggregate("max", {input(1, type("string"))}), aggregate("min", {input(1, type("string"))})};
      check(spec, {b}, {});
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Aggregate, GroupsWithEveryHashEqual) {
  const ConstantHash constant;
  check_keys({type("int64")}, 300);
  check_keys({type("string")}, 301);
  check_keys({type("int32"), type("string")}, 302);
}

TEST(Aggregate, ManyGroups) {
  RandomColumns random(400);
  Morsels data;
  for (int m = 0; m < 6; ++m) {
    Batch b;
    b.rows = 3000;
    auto keys = ok(column::allocate_buffer(b.rows * 8, column::testing::pool()));
    for (int64_t i = 0; i < b.rows; ++i) reinterpret_cast<int64_t*>(keys->mutable_data())[i] = random.below(4000) * 0x10001;
    b.columns = {Column::flat(column::make_array(arrow::int64(), b.rows, nullptr, 0, keys))};
    for (const TypePtr& t : kArguments) b.columns.push_back(random.flat(t, b.rows));
    data.push_back(std::move(b));
  }
  AggregateSpec spec;
  spec.keys = {input(0, type("int64"))};
  spec.aggregates = many_aggregates(1);
  for (const RunConfig& config : configs(400)) {
    if (config.cut_rows == 1) continue;
    check(spec, data, config);
  }
}

// Nested keys: group identity by equal_rows; the key written need only equal the rows'.
TEST(Aggregate, GroupsByNestedKeys) {
  uint64_t seed = 500;
  for (const TypePtr& t : column::testing::nested_types()) {
    RandomColumns random(++seed);
    const Morsels data = random_morsels(random, {t, arrow::int32()}, 80, 4);
    AggregateSpec spec;
    spec.keys = {input(0, t)};
    spec.aggregates = {aggregate("count", {}), aggregate("sum", {input(1, arrow::int32())}), aggregate("first", {input(0, t)}),
                       aggregate("last", {input(0, t)})};
    const Reference reference(spec, data);
    const auto groups = reference.groups();
    std::optional<Table> before;
    for (const RunConfig& config : configs(seed)) {
      SCOPED_TRACE("seed " + std::to_string(seed) + " " + column::type_text(*t));
      const auto batches = ok(run(spec, data, config, context_of(config)));
      size_t g = 0;
      for (const Batch& b : batches) {
        for (int64_t i = 0; i < b.rows; ++i, ++g) {
          ASSERT_LT(g, groups.size());
          EXPECT_TRUE(column::equal_rows(b.columns[0], i, reference.at(spec.keys[0]), groups[g][0])) << "group " << g;
          for (size_t a = 0; a < 4; ++a)
            ASSERT_EQ(cell(b.columns[a + 1], i), reference.value(spec.aggregates[a], groups[g])) << "group " << g;
        }
      }
      ASSERT_EQ(g, groups.size());
      const Table now = cells(batches);
      if (before) {
        EXPECT_EQ(now, *before);
      }
      before = now;
    }
  }
}

// Without order: the same groups, and the same order of them at any schedule.
TEST(Aggregate, WithoutOrderIsStillTheSameOrder) {
  for (uint64_t seed = 600; seed < 606; ++seed) {
    RandomColumns random(seed);
    const std::vector<TypePtr> keys = seed % 2 ? std::vector<TypePtr>{type("int64")} : std::vector<TypePtr>{type("string"), type("int32")};
    std::vector<TypePtr> types = keys;
    types.insert(types.end(), kArguments.begin(), kArguments.end());
    const Morsels data = random_morsels(random, types, 200, 6);
    AggregateSpec spec;
    for (size_t k = 0; k < keys.size(); ++k) spec.keys.push_back(input(static_cast<int>(k), keys[k]));
    spec.aggregates = many_aggregates(static_cast<int>(keys.size()));
    Table in_order = cells(ok(run(spec, data, {.seed = seed}, context_of({}))));
    spec.ordered = false;
    std::optional<Table> before;
    for (const RunConfig& config : configs(seed)) {
      Table now = cells(ok(run(spec, data, config, context_of(config))));
      if (before) {
        ASSERT_EQ(now, *before) << "seed " << seed;
      }
      before = now;
    }
    std::sort(in_order.begin(), in_order.end());
    std::sort(before->begin(), before->end());
    EXPECT_EQ(*before, in_order) << "seed " << seed;
  }
}

TEST(Aggregate, SumOverflowsOnlyAtTheEnd) {
  const auto column_of = [](std::vector<int64_t> v) {
    auto buffer = ok(column::allocate_buffer(static_cast<int64_t>(v.size()) * 8, column::testing::pool()));
    std::memcpy(buffer->mutable_data(), v.data(), v.size() * 8);
    Batch b;
    b.rows = static_cast<int64_t>(v.size());
    b.columns = {Column::flat(column::make_array(arrow::int64(), b.rows, nullptr, 0, buffer))};
    return b;
  };
  AggregateSpec spec;
  spec.aggregates = {aggregate("sum", {input(0, arrow::int64())})};
  const Morsels back = {column_of({INT64_MAX, INT64_MAX, -INT64_MAX, -5})};
  EXPECT_EQ(cells(ok(run(spec, back, {}, context_of({}))))[0][0], std::to_string(INT64_MAX - 5));
  const auto failed = run(spec, {column_of({INT64_MAX, 1})}, {}, context_of({}));
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(base::error_kind(failed.status()), base::ErrorKind::kData);
  EXPECT_NE(failed.status().message().find("integer overflow in sum(c0)"), std::string::npos) << failed.status().ToString();
}

TEST(Aggregate, StaysUnderItsCapBySpilling) {
  RandomColumns random(700);
  Morsels data;
  constexpr int64_t kRows = 65536;
  for (int m = 0; m < 24; ++m) {
    Batch b;
    b.rows = kRows;
    auto keys = ok(column::allocate_buffer(kRows * 8, column::testing::pool()));
    auto values = ok(column::allocate_buffer(kRows * 8, column::testing::pool()));
    for (int64_t i = 0; i < kRows; ++i) {
      reinterpret_cast<uint64_t*>(keys->mutable_data())[i] = random.bits() % 1'000'003;
      reinterpret_cast<double*>(values->mutable_data())[i] = static_cast<double>(random.below(1'000'000)) / 100;
    }
    b.columns = {Column::flat(column::make_array(arrow::int64(), kRows, nullptr, 0, keys)),
                 Column::flat(column::make_array(arrow::float64(), kRows, nullptr, 0, values))};
    data.push_back(std::move(b));
  }
  AggregateSpec spec;
  spec.keys = {input(0, arrow::int64())};
  spec.aggregates = {aggregate("sum", {input(1, arrow::float64())}), aggregate("count", {})};
  for (const bool ordered : {true, false}) {
    spec.ordered = ordered;
    const Table free = cells(ok(run(spec, data, {.workers = 2, .cut_rows = 8192}, context_of({.workers = 2}))));
    const RunConfig tight{.workers = 2, .cut_rows = 8192, .cap = int64_t{48} << 20};
    const QueryContext context = context_of(tight);
    EXPECT_EQ(cells(ok(run(spec, data, tight, context))), free);
    EXPECT_GT(context.memory->spilled_bytes(), 0);
    EXPECT_LE(context.memory->peak(), tight.cap + (tight.cap / 32) + (int64_t{8} << 20));
  }
}

}  // namespace
}  // namespace gristmill::exec
