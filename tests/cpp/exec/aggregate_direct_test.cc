// Keys of few values: numbers given to values, and aggregation while the numbers suffice, while they grow, and after.

#include <array>
#include <map>

#include "aggregate_driver.h"
#include "exec/group_codes.h"

namespace gristmill::exec {
namespace {

using namespace testing;  // NOLINT: the driver
using column::Physical;

std::vector<int32_t> codes_of(ValueCodes& codes, const Column& c, int64_t n, int32_t size = ValueCodes::kMost + 1) {
  std::vector<int32_t> out(static_cast<size_t>(n), 0);
  codes.append(c, column::physical_unchecked(*c.type()), n, size, out.data());
  return out;
}

// Texts, or the same as dictionary entries.
Column text_column(const std::vector<std::string>& texts) {
  auto views = ok(column::allocate_zeroed(static_cast<int64_t>(texts.size()) * 16, column::testing::pool()));
  std::string heap;
  for (size_t i = 0; i < texts.size(); ++i) {
    auto& v = reinterpret_cast<column::View16*>(views->mutable_data())[i];
    v.size = static_cast<uint32_t>(texts[i].size());
    if (v.is_inline()) {
      std::memcpy(v.inlined, texts[i].data(), texts[i].size());
      continue;
    }
    std::memcpy(v.ref.prefix, texts[i].data(), sizeof(v.ref.prefix));
    v.ref.offset = static_cast<int32_t>(heap.size());
    heap += texts[i];
  }
  auto array = column::make_array(arrow::utf8_view(), static_cast<int64_t>(texts.size()), nullptr, 0, views);
  array->buffers.push_back(arrow::Buffer::FromString(std::move(heap)));
  return Column::flat(array);
}

TEST(ValueCodes, EqualValuesHaveOneNumberInEveryEncoding) {
  for (const TypePtr& t : column::testing::flat_types()) {
    if (!ValueCodes::takes(column::physical_unchecked(*t))) continue;
    SCOPED_TRACE(column::type_text(*t));
    RandomColumns random(t->id() + 1);
    ValueCodes codes;
    std::map<int32_t, std::pair<Column, int64_t>> seen;
    for (int round = 0; round < 12; ++round) {
      const int64_t n = 1 + random.below(300);
      const Column c = random.column(t, n);
      const std::vector<int32_t> numbers = codes_of(codes, c, n);
      for (int64_t i = 0; i < n; ++i) {
        const int32_t code = numbers[static_cast<size_t>(i)];
        ASSERT_EQ(code == 0, column::is_null_at(c, i));
        if (code == 0) continue;
        const auto [at, fresh] = seen.try_emplace(code, c, i);
        ASSERT_TRUE(column::equal_rows(at->second.first, at->second.second, c, i)) << "row " << i;
        for (const auto& [other, where] : seen) {
          if (!fresh || other == code) continue;
          ASSERT_FALSE(column::equal_rows(where.first, where.second, c, i)) << "row " << i;
        }
      }
    }
  }
}

TEST(ValueCodes, RunsOfNumbersHaveTheNumbersOfTheirValues) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomColumns random(seed);
    ValueCodes codes;
    std::map<int64_t, int32_t> known;
    for (int round = 0; round < 3; ++round) {
      constexpr int64_t kRows = 2000;
      auto values = ok(column::allocate_buffer(kRows * 8, column::testing::pool()));
      auto valid = ok(column::allocate_bits(kRows, column::testing::pool()));
      auto* const v = reinterpret_cast<int64_t*>(values->mutable_data());
      int64_t nulls = 0, value = 0;
      for (int64_t i = 0; i < kRows; ++i) {
        if (i % 40 == 0 || random.below(30) == 0) value = random.below(50) * 10'000;
        v[i] = value;
        const bool null = i > 40 && random.below(9) == 0;
        nulls += null;
        if (!null) valid->mutable_data()[i / 8] |= static_cast<uint8_t>(1 << (i % 8));
      }
      const Column c = Column::flat(column::make_array(arrow::int64(), kRows, valid, nulls, values));
      const std::vector<int32_t> numbers = codes_of(codes, c, kRows);
      for (int64_t i = 0; i < kRows; ++i) {
        const int32_t code = numbers[static_cast<size_t>(i)];
        ASSERT_EQ(code == 0, column::is_null_at(c, i)) << "row " << i;
        if (code == 0) continue;
        ASSERT_EQ(known.try_emplace(v[i], code).first->second, code) << "row " << i;
      }
    }
    EXPECT_EQ(codes.count(), static_cast<int32_t>(known.size()));
  }
}

TEST(ValueCodes, ValuesBeyondTheMostHaveNone) {
  for (const bool longer : {false, true}) {
    std::vector<std::string> texts;
    for (int i = 0; i < ValueCodes::kMost + 500; ++i) texts.push_back(std::string(longer ? 100 : 0, 'x') + std::to_string(i));
    ValueCodes codes;
    const Column c = text_column(texts);
    const auto n = static_cast<int64_t>(texts.size());
    const std::vector<int32_t> first = codes_of(codes, c, n), again = codes_of(codes, c, n);
    EXPECT_EQ(first, again);
    for (int64_t i = 0; i < n; ++i) {
      const int32_t code = first[static_cast<size_t>(i)];
      ASSERT_EQ(code, i < codes.count() ? static_cast<int32_t>(i + 1) : ValueCodes::kUnknown) << texts[static_cast<size_t>(i)];
    }
    // Long texts are bounded by their bytes too.
    EXPECT_TRUE(longer ? codes.count() > 1000 && codes.count() < ValueCodes::kMost : codes.count() == ValueCodes::kMost);
  }
}

TEST(ValueCodes, WhatIsOutsideStaysOutside) {
  ValueCodes codes;
  const Column c = text_column({"a", "b", "c", "a"});
  std::vector<int32_t> numbers = {5, 5, ValueCodes::kUnknown, ValueCodes::kUnknown};
  codes.append(c, Physical::kView, 4, 2, numbers.data());
  EXPECT_EQ(numbers, (std::vector<int32_t>{11, ValueCodes::kUnknown, ValueCodes::kUnknown, ValueCodes::kUnknown}));
}

// Two or three keys: text (short and long), a sparse integer, a float with both zeros and several NaN. `spread(m)` values in morsel m.
struct Grown {
  Morsels morsels;
  Table expected;  // key texts, sum, count
};

template <typename Spread>
Grown grown(uint64_t seed, int count, int64_t rows, Spread&& spread) {
  RandomColumns random(seed);
  Grown out;
  std::map<std::vector<std::string>, size_t> groups;
  std::vector<std::array<int64_t, 2>> sums;
  for (int m = 0; m < count; ++m) {
    std::vector<std::string> texts;
    auto ints = ok(column::allocate_buffer(rows * 8, column::testing::pool()));
    auto floats = ok(column::allocate_buffer(rows * 8, column::testing::pool()));
    auto values = ok(column::allocate_buffer(rows * 8, column::testing::pool()));
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t t = random.below(spread(m)), k = random.below(spread(m)), f = random.below(4), x = random.below(1000);
      texts.emplace_back(t % 3 == 0 ? "a key that is not short " : "k");
      texts.back() += std::to_string(t);
      const int64_t sparse = (k - 2) * 1'000'000'007;
      const double zeros[] = {0.0, -0.0, std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::quiet_NaN()};
      reinterpret_cast<int64_t*>(ints->mutable_data())[i] = sparse;
      reinterpret_cast<double*>(floats->mutable_data())[i] = zeros[f];
      reinterpret_cast<int64_t*>(values->mutable_data())[i] = x;
      const std::vector<std::string> key = {texts.back(), std::to_string(sparse), double_cell(canonical(zeros[f]))};
      const auto [at, fresh] = groups.try_emplace(key, sums.size());
      if (fresh) {
        sums.push_back({0, 0});
        out.expected.push_back(key);
      }
      sums[at->second][0] += x;
      sums[at->second][1]++;
    }
    Batch b;
    b.rows = rows;
    b.columns = {text_column(texts), Column::flat(column::make_array(arrow::int64(), rows, nullptr, 0, ints)),
                 Column::flat(column::make_array(arrow::float64(), rows, nullptr, 0, floats)),
                 Column::flat(column::make_array(arrow::int64(), rows, nullptr, 0, values))};
    out.morsels.push_back(std::move(b));
  }
  for (size_t g = 0; g < sums.size(); ++g) {
    out.expected[g].push_back(std::to_string(sums[g][0]));
    out.expected[g].push_back(std::to_string(sums[g][1]));
  }
  return out;
}

void check_grown(const Grown& data) {
  AggregateSpec spec;
  spec.keys = {input(0, arrow::utf8_view()), input(1, arrow::int64()), input(2, arrow::float64())};
  spec.aggregates = {aggregate("sum", {input(3, arrow::int64())}), aggregate("count", {})};
  const std::vector<RunConfig> configs = {
      {.seed = 1}, {.seed = 2, .workers = 3, .cut_rows = 333}, {.seed = 3, .cut_rows = 50}, {.seed = 4, .workers = 2, .eager = true}};
  for (const RunConfig& config : configs) {
    SCOPED_TRACE("workers " + std::to_string(config.workers) + ", cut " + std::to_string(config.cut_rows));
    const Table actual = cells(ok(run(spec, data.morsels, config, context_of(config))));
    ASSERT_EQ(actual.size(), data.expected.size());
    for (size_t i = 0; i < actual.size(); ++i) ASSERT_EQ(actual[i], data.expected[i]) << "group " << i;
  }
}

TEST(AggregateDirect, FewValuesOfEveryKindOfKey) {
  check_grown(grown(11, 12, 2000, [](int) { return 9; }));
}
TEST(AggregateDirect, SlowlyMoreValues) {
  check_grown(grown(12, 20, 1000, [](int m) { return 3 + 4 * m; }));
}
TEST(AggregateDirect, TooManyCombinationsHalfWay) {
  check_grown(grown(13, 10, 3000, [](int m) { return m < 5 ? 7 : 700; }));
}
TEST(AggregateDirect, TooManyValuesHalfWay) {
  check_grown(grown(14, 10, 6000, [](int m) { return m < 3 ? 7 : 100'000; }));
}
TEST(AggregateDirect, FewAgainAfterMany) {
  check_grown(grown(15, 12, 2000, [](int m) { return m == 4 ? 50'000 : 5; }));
}

}  // namespace
}  // namespace gristmill::exec
