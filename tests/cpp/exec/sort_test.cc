// Sorts of every type by every kind of key, in every setting, against a naive stable sort: always the same rows in the same order.

#include "sort_driver.h"

#include <mutex>

#include "exec/top_n.h"

namespace gristmill::exec {
namespace {

using namespace sort_testing;  // NOLINT: the driver
using column::testing::at_every_level;

// The numbers of the rows as they come, and that the batches are let go as a pipeline lets them.
struct Numbers {
  std::vector<int64_t> numbers;
  int64_t spilled = 0;
};

arrow::Result<Numbers> run_and_count(const SortSpec& spec, const SortData& data, const SortRun& run, const QueryContext& context) {
  std::vector<std::vector<int64_t>> pieces;
  std::mutex mutex;
  ARROW_ASSIGN_OR_RAISE(const Sorted sorted, run_sort(spec, data, run, context, [&](int64_t piece, const Batch& b) {
                          const auto rows = array_of(b.columns.back(), b.rows);
                          const auto& numbers = static_cast<const arrow::Int64Array&>(*rows);
                          std::lock_guard lock(mutex);
                          pieces.resize(std::max(pieces.size(), static_cast<size_t>(piece) + 1));
                          for (int64_t i = 0; i < b.rows; ++i) pieces[static_cast<size_t>(piece)].push_back(numbers.Value(i));
                        }));
  Numbers out;
  out.spilled = sorted.spilled;
  for (const auto& p : pieces) out.numbers.insert(out.numbers.end(), p.begin(), p.end());
  return out;
}

constexpr int64_t kTightCap = 128 << 10;  // some hundred rows fill it

const std::vector<int64_t> kCuts = {1, 7, 1000, 0};
const std::vector<int64_t> kBatchRows = {3, 100, column::kDefaultBatchRows};
const std::vector<int64_t> kMorselRows = {10, 257, 0};

SortRun random_run(RandomColumns& random) {
  SortRun run;
  run.seed = random.bits();
  run.workers = random.pick(std::vector<int>{1, 2, 4});
  run.cut_rows = random.pick(kCuts);
  run.batch_rows = random.pick(kBatchRows);
  run.morsel_rows = random.pick(kMorselRows);
  return run;
}

// As it comes, eagerly spilled, and under a limit.
int64_t check_settings(const SortSpec& spec, const SortData& data, RandomColumns& random) {
  const Expected expected = expect(spec, data);
  SortRun run = random_run(random);
  check_run(spec, data, expected, run);
  run = random_run(random);
  run.eager = true;
  const int64_t spilled = check_run(spec, data, expected, run);
  run = random_run(random);
  run.cap = kTightCap;
  check_run(spec, data, expected, run);
  return spilled;
}

SortKey random_order(RandomColumns& random) { return {random.chance(0.5), random.chance(0.5)}; }

// A key over column c that is no plain column.
expr::BoundPtr computed(const SortData& data, int c, RandomColumns& random) {
  const auto x = expr::column("c" + std::to_string(c));
  const auto id = data.types[static_cast<size_t>(c)]->id();
  if (random.chance(0.1)) return bound(data, expr::literal(int64_t{7}));
  if (arrow::is_integer(id)) return bound(data, expr::cast(x, arrow::float64()));
  if (arrow::is_floating(id)) return bound(data, expr::call("neg", {x}));
  if (id == arrow::Type::STRING_VIEW) return bound(data, expr::call("str.octet_length", {x}));
  return bound(data, expr::call("is_null", {x}));
}

TEST(Sort, OrdersEveryTypeInBothDirections) {
  uint64_t seed = 1;
  for (const TypePtr& type : column::testing::all_types()) {
    for (int way = 0; way < 4; ++way, ++seed) {
      SCOPED_TRACE(type->ToString() + " seed " + std::to_string(seed) + " way " + std::to_string(way));
      RandomColumns random(seed);
      const SortData data = random_data(random, {type}, 5, 80);
      const int64_t spilled = check_settings(sort_by(data, {input(data, 0)}, {{way % 2 == 1, way / 2 == 1}}), data, random);
      const bool any = std::any_of(data.morsels.begin(), data.morsels.end(), [](const Batch& m) { return m.selected() > 0; });
      EXPECT_EQ(spilled > 0, any);
      if (HasFailure()) return;
    }
  }
}

TEST(Sort, OrdersBySeveralKeysOfAnyKind) {
  const auto all = column::testing::all_types();
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomColumns random(seed);
    std::vector<TypePtr> types;
    for (int64_t n = 1 + random.below(4); n > 0; --n) types.push_back(random.pick(all));
    const SortData data = random_data(random, types, static_cast<int>(random.below(8)), 120);
    std::vector<expr::BoundPtr> keys;
    std::vector<SortKey> order;
    for (size_t k = 0; k < types.size(); ++k) {
      const int c = static_cast<int>(random.below(static_cast<int64_t>(types.size())));
      keys.push_back(random.chance(0.3) ? computed(data, c, random) : input(data, c));
      order.push_back(random_order(random));
    }
    SortSpec spec = sort_by(data, keys, order);
    check_settings(spec, data, random);
    if (random.chance(0.5)) {
      spec.top = random.pick(std::vector<int64_t>{0, 1, 10, 1000, kTopNRows, kTopNRows + 1});
      check_settings(spec, data, random);
    }
    if (HasFailure()) return;
  }
}

// Keys whose encoding leaves no room for doubt (8 bytes, no nulls) and those with a null somewhere later take different ways.
TEST(Sort, KeepsTiesInInputOrder) {
  for (const char* name : {"bool", "int8", "int64", "float64", "string", "decimal(38,4)"}) {
    for (const double null_share : {0.0, 0.05}) {
      RandomColumns random(77);
      SCOPED_TRACE(std::string(name) + " nulls " + std::to_string(null_share));
      const TypePtr type = ok(column::parse_type(name));
      const Column few = random.flat(type, 4, null_share);
      SortData data;
      for (int m = 0; m < 6; ++m) {
        Batch b;
        b.rows = 400;
        std::vector<int64_t> picks;
        for (int64_t i = 0; i < b.rows; ++i) picks.push_back(random.below(4));
        b.columns.push_back(ok(column::take(few, std::span<const int64_t>(picks), pool())));
        b.selection = random.selection(b.rows);
        add_morsel(data, std::move(b));
      }
      data.types = {type, arrow::int64()};
      const SortSpec spec = sort_by(data, {input(data, 0)}, {{true, true, null_share > 0}});
      check_settings(spec, data, random);
      if (HasFailure()) return;
    }
  }
}

SortData texts_with_one_beginning(RandomColumns& random, int morsels, int64_t rows, size_t least) {
  SortData data;
  const std::string beginning = "the same beginning of all of these long texts";
  for (int m = 0; m < morsels; ++m) {
    arrow::StringViewBuilder builder;
    for (int64_t i = 0; i < rows; ++i) {
      std::string s = beginning.substr(0, least + static_cast<size_t>(random.below(20)));
      for (int64_t k = random.below(4); k > 0; --k) s.push_back(static_cast<char>(random.below(3)));
      EXPECT_TRUE((random.chance(0.02) ? builder.AppendNull() : builder.Append(s)).ok());
    }
    Batch b;
    b.rows = rows;
    b.columns.push_back(Column::flat(ok(builder.Finish())->data()));
    add_morsel(data, std::move(b));
  }
  data.types = {arrow::utf8_view(), arrow::int64()};
  return data;
}

TEST(Sort, LooksBehindTheBeginningOfTexts) {
  for (const size_t least : {0, 7, 8, 15, 25}) {
    RandomColumns random(least + 1);
    SCOPED_TRACE("least " + std::to_string(least));
    const SortData data = texts_with_one_beginning(random, 4, 300, least);
    for (const bool descending : {false, true}) {
      SortSpec spec = sort_by(data, {input(data, 0)}, {{descending, !descending}});
      check_settings(spec, data, random);
      spec.top = 50;
      check_settings(spec, data, random);
    }
    if (HasFailure()) return;
  }
}

TEST(Sort, GivesTheSameRowsInEverySetting) {
  RandomColumns random(5);
  const SortData data = random_data(random, {ok(column::parse_type("string")), arrow::int16(), arrow::float64()}, 7, 150);
  const SortSpec spec = sort_by(data, {input(data, 1), bound(data, expr::call("neg", {expr::column("c2")})), input(data, 0)},
                                {{true, false}, {false, true}, {true, true}});
  const Expected expected = expect(spec, data);
  at_every_level([&](base::SimdLevel) {
    for (const int workers : {1, 2, 4}) {
      for (const int64_t cut : kCuts) {
        for (const int way : {0, 1, 2}) {
          const SortRun run{.seed = static_cast<uint64_t>(cut + way),
                            .workers = workers,
                            .cut_rows = cut,
                            .batch_rows = kBatchRows[static_cast<size_t>(way)],
                            .morsel_rows = kMorselRows[static_cast<size_t>(workers / 2)],
                            .cap = way == 2 ? kTightCap / 4 : 0,
                            .eager = way == 1};
          const int64_t spilled = check_run(spec, data, expected, run);
          ASSERT_EQ(spilled > 0, way > 0) << ::testing::PrintToString(run);
          ASSERT_FALSE(HasFailure());
        }
      }
    }
  });
}

TEST(Sort, GivesTheTopRowsInEverySetting) {
  RandomColumns random(6);
  const SortData data = random_data(random, {arrow::int32(), ok(column::parse_type("string"))}, 8, 500);
  SortSpec spec = sort_by(data, {input(data, 0), input(data, 1)}, {{true, true}, {false, false}});
  const Expected expected = expect(spec, data);
  ASSERT_GT(expected.order.size(), 1000u);
  at_every_level([&](base::SimdLevel) {
    for (const int64_t top : {int64_t{0}, int64_t{1}, int64_t{2}, int64_t{10}, int64_t{1000}, int64_t{100000}, kTopNRows + 1}) {
      SCOPED_TRACE("top " + std::to_string(top));
      spec.top = top;
      for (const int64_t cut : kCuts) {
        SortRun run = random_run(random);
        run.cut_rows = cut;
        check_run(spec, data, expected, run);
      }
      ASSERT_FALSE(HasFailure());
    }
  });
}

TEST(Sort, GivesNothingForNothing) {
  RandomColumns random(7);
  SortData data = random_data(random, {arrow::int32()}, 0, 0);
  for (const std::optional<int64_t> top : {std::optional<int64_t>(), std::optional<int64_t>(3), std::optional<int64_t>(kTopNRows + 1)}) {
    check_settings(sort_by(data, {input(data, 0)}, {{}}, top), data, random);
    Batch none = random.batch({arrow::int32()}, 5, false);
    none.selection = column::Selection::from_mask(column::Mask(5, false));
    add_morsel(data, none);
    check_settings(sort_by(data, {input(data, 0)}, {{}}, top), data, random);
  }
}

// More candidates than a worker keeps: they are pruned more than once. No prefix tells the texts apart, only the nulls before them.
TEST(Sort, PrunesCandidatesForTheTopRows) {
  RandomColumns random(8);
  const SortData data = texts_with_one_beginning(random, 3, 15000, 9);
  for (const bool nulls_first : {false, true}) {
    SortSpec spec = sort_by(data, {input(data, 0)}, {{true, nulls_first}});
    const Expected expected = expect(spec, data);
    for (const int64_t top : {1, 10, 1000}) {
      spec.top = top;
      for (const int workers : {1, 2}) check_run(spec, data, expected, {.workers = workers, .cut_rows = 4000});
    }
  }
}

SortData numbers(RandomColumns& random, int morsels, int64_t rows, int64_t distinct) {
  SortData data;
  for (int m = 0; m < morsels; ++m) {
    Batch b;
    b.rows = rows;
    auto values = ok(column::allocate_buffer(rows * 8, pool()));
    for (int64_t i = 0; i < rows; ++i) reinterpret_cast<int64_t*>(values->mutable_data())[i] = random.below(distinct) * 1000003;
    b.columns.push_back(Column::flat(column::make_array(arrow::int64(), rows, nullptr, 0, values)));
    add_morsel(data, std::move(b));
  }
  data.types = {arrow::int64(), arrow::int64()};
  return data;
}

// The row numbers alone: for data too large to be read cell by cell.
void check_numbers(const SortSpec& spec, const SortData& data, const SortRun& run, size_t least_pieces) {
  SCOPED_TRACE(::testing::PrintToString(run));
  std::vector<std::pair<int64_t, int64_t>> expected;
  for (const Batch& m : data.morsels) {
    for (int64_t i = 0; i < m.rows; ++i) {
      const int64_t v = column::values_of<int64_t>(*m.columns[0].values)[i];
      expected.emplace_back(spec.order[0].descending ? -v : v, static_cast<int64_t>(expected.size()));
    }
  }
  std::sort(expected.begin(), expected.end());
  base::ProcessBudget process(int64_t{4} << 30);
  const QueryContext context = context_of(run, process);
  const Sorted sorted = ok(run_sort(spec, data, run, context));
  EXPECT_EQ(sorted.spilled > 0, run.eager || run.cap > 0);
  EXPECT_GE(sorted.pieces.size(), least_pieces);
  size_t at = 0;
  for (const auto& piece : sorted.pieces) {
    for (const Batch& b : piece) {
      const Column row = ok(column::flatten(b.columns[1], b.rows, pool()));
      for (int64_t i = 0; i < b.rows; ++i, ++at) ASSERT_EQ(column::values_of<int64_t>(*row.values)[i], expected[at].second) << at;
    }
  }
  const size_t top = spec.top ? static_cast<size_t>(*spec.top) : expected.size();
  if (sorted.spilled > 0) {
    EXPECT_GE(at, top);
  } else {
    EXPECT_EQ(at, top);
  }
}

TEST(Sort, SortsManyRowsInPieces) {
  RandomColumns random(9);
  for (const int64_t distinct : {int64_t{40}, int64_t{1} << 40}) {
    const SortData data = numbers(random, 10, 30000, distinct);
    SortSpec spec = sort_by(data, {input(data, 0)}, {{distinct == 40, false, false}});
    for (const bool threads : {false, true}) check_numbers(spec, data, {.workers = threads ? 4 : 2, .threads = threads}, 4);
    spec.top = kTopNRows + 1;
    check_numbers(spec, data, {.workers = 2}, 4);
    spec.top = kTopNRows;
    check_numbers(spec, data, {.workers = 2}, 1);
  }
}

TEST(Sort, MergesManyRowsInPieces) {
  RandomColumns random(10);
  const SortData data = numbers(random, 10, 30000, 5000);
  SortSpec spec = sort_by(data, {input(data, 0)}, {{}});
  check_numbers(spec, data, {.workers = 2, .cap = int64_t{64} << 20, .eager = true}, 2);
  check_numbers(spec, data, {.workers = 4, .threads = true, .cap = int64_t{8} << 20}, 1);
  spec.top = kTopNRows + 1;
  check_numbers(spec, data, {.workers = 2, .eager = true}, 1);
}

// Keys from all over, and text that is long: a block of a fixed number of its rows would be large beside the limit.
SortData wide_rows(RandomColumns& random, int morsels, int64_t rows, int64_t text_bytes) {
  SortData out;
  out.types = {arrow::int64(), arrow::utf8_view(), arrow::int64()};
  for (int m = 0; m < morsels; ++m) {
    arrow::Int64Builder keys;
    arrow::StringViewBuilder texts;
    for (int64_t i = 0; i < rows; ++i) {
      EXPECT_TRUE(keys.Append(random.below(3000)).ok());
      EXPECT_TRUE(texts.Append(std::string(static_cast<size_t>(text_bytes / 2 + random.below(text_bytes)), static_cast<char>('a' + i % 26))).ok());
    }
    Batch b;
    b.rows = rows;
    b.columns = {Column::flat(ok(keys.Finish())->data()), Column::flat(ok(texts.Finish())->data())};
    add_morsel(out, std::move(b));
  }
  return out;
}

// Each run is little more than a block of before: a merge that held one of each was several times the limit.
TEST(Sort, MergesManyRunsWithinASmallLimit) {
  RandomColumns random(12);
  const SortData data = wide_rows(random, 120, 500, 1000);  // 60 MB
  const SortSpec spec = sort_by(data, {input(data, 0)}, {{}});
  const Expected expected = expect(spec, data);
  for (const int workers : {1, 4}) {
    const SortRun run{.workers = workers, .threads = workers > 1, .cap = int64_t{12} << 20};
    SCOPED_TRACE(::testing::PrintToString(run));
    base::ProcessBudget process(int64_t{4} << 30);
    const QueryContext context = context_of(run, process);
    const auto merged = run_and_count(spec, data, run, context);
    ASSERT_TRUE(merged.ok()) << merged.status().ToString();
    EXPECT_EQ(merged->numbers, expected.order);
    EXPECT_GT(merged->spilled, int64_t{60} << 20);  // once as runs, some of it again as merged ones
  }
}

TEST(Sort, GivesTheSameRowsWithThreads) {
  RandomColumns random(11);
  const SortData data = random_data(random, {ok(column::parse_type("string")), arrow::float32(), arrow::int64()}, 30, 120);
  SortSpec spec = sort_by(data, {input(data, 1), input(data, 0)}, {{false, true}, {true, false}});
  const Expected expected = expect(spec, data);
  for (const std::optional<int64_t> top : {std::optional<int64_t>(), std::optional<int64_t>(20)}) {
    spec.top = top;
    for (int round = 0; round < 4; ++round) {
      for (const int way : {0, 1, 2}) {
        const SortRun run{.seed = static_cast<uint64_t>(round),
                          .workers = round % 2 == 0 ? 4 : 2,
                          .threads = true,
                          .cut_rows = kCuts[static_cast<size_t>(round)],
                          .batch_rows = 50,
                          .morsel_rows = 200,
                          .cap = way == 2 ? kTightCap / 2 : 0,
                          .eager = way == 1};
        const int64_t spilled = check_run(spec, data, expected, run);
        ASSERT_EQ(spilled > 0, way > 0 && !top);
        ASSERT_FALSE(HasFailure());
      }
    }
  }
}

}  // namespace
}  // namespace gristmill::exec
