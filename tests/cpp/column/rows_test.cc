// Kernels that move rows, over every type, encoding and SIMD level, against rows moved as text.

#include <arrow/type.h>
#include <gtest/gtest.h>

#include "column/compact_together.h"
#include "random_columns.h"

namespace gristmill::column {
namespace {

using testing::ok;
using testing::pool;
using testing::RandomColumns;
using testing::texts_of;

constexpr int64_t kSizes[] = {0, 1, 63, 64, 65, 200, 1000};

template <typename F>
void over_everything(F&& f) {
  testing::at_every_level([&](base::SimdLevel) {
    uint64_t seed = 1;
    for (const TypePtr& type : testing::all_types()) {
      for (int64_t rows : kSizes) {
        for (int round = 0; round < 3; ++round, ++seed) {
          SCOPED_TRACE(type->ToString() + ", " + std::to_string(rows) + " rows, seed " + std::to_string(seed));
          RandomColumns random(seed);
          f(random, type, rows);
          if (::testing::Test::HasFailure()) return;
        }
      }
    }
  });
}

void expect_sound(const Column& c, int64_t rows) {
  if (!c.is_constant()) {
    EXPECT_EQ(c.values->length, rows);
  }
  if (c.values->type->id() != arrow::Type::NA) {
    int64_t nulls = 0;
    for (int64_t i = 0; i < c.values->length; ++i) nulls += !validity_of(*c.values).valid(i);
    EXPECT_EQ(null_count_of(*c.values), nulls);
  }
}

TEST(Rows, FilterKeepsTheRowsOfTheMaskInOrder) {
  over_everything([](RandomColumns& random, const TypePtr& type, int64_t rows) {
    const Column c = random.column(type, rows);
    const Mask keep = random.mask(rows);
    std::vector<std::string> expected;
    for (int64_t i = 0; i < rows; ++i) {
      if (keep.get(i)) expected.push_back(value_text(c, i));
    }
    const int64_t kept = keep.count();
    ASSERT_EQ(kept, static_cast<int64_t>(expected.size()));
    const Column out = ok(filter(c, rows, keep, kept, pool()));
    EXPECT_EQ(texts_of(out, kept), expected);
    EXPECT_EQ(out.encoding, c.encoding);
    expect_sound(out, kept);
  });
}

template <typename I>
void check_take(RandomColumns& random, const TypePtr& type, int64_t rows) {
  const Column c = random.column(type, rows);
  const int64_t n = rows == 0 ? 0 : random.below(2 * rows);
  std::vector<I> indices;
  const bool gaps = sizeof(I) > 2 && random.chance(0.5);
  std::vector<std::string> expected;
  for (int64_t i = 0; i < n; ++i) {
    if (gaps && random.chance(0.2)) {
      indices.push_back(static_cast<I>(kNullIndex));
      expected.push_back("null");
    } else {
      indices.push_back(static_cast<I>(random.below(rows)));
      expected.push_back(value_text(c, static_cast<int64_t>(indices.back())));
    }
  }
  const Column out = ok(take(c, std::span<const I>(indices), pool()));
  EXPECT_EQ(texts_of(out, n), expected);
  expect_sound(out, n);
}

TEST(Rows, TakeFollowsTheIndices) {
  over_everything([](RandomColumns& random, const TypePtr& type, int64_t rows) {
    check_take<uint16_t>(random, type, rows);
    check_take<int32_t>(random, type, rows);
    check_take<int64_t>(random, type, rows);
  });
}

TEST(Rows, TakeFromALargeSourceFollowsTheIndices) {
  testing::at_every_level([](base::SimdLevel) {
    RandomColumns random(77);
    for (const char* type : {"int64", "int8", "string", "decimal(38,4)"}) {
      const Column c = random.flat(ok(parse_type(type)), 600'000);  // beyond the size that is prefetched
      std::vector<int32_t> indices;
      for (int i = 0; i < 1000; ++i) indices.push_back(random.chance(0.01) ? -1 : static_cast<int32_t>(random.below(600'000)));
      indices.back() = 599'999;
      const Column out = ok(take(c, std::span<const int32_t>(indices), pool()));
      for (size_t i = 0; i < indices.size(); ++i) {
        ASSERT_EQ(value_text(out, static_cast<int64_t>(i)), indices[i] < 0 ? "null" : value_text(c, indices[i]));
      }
    }
  });
}

TEST(Rows, ConcatAppendsThePartsWhateverTheirEncoding) {
  over_everything([](RandomColumns& random, const TypePtr& type, int64_t rows) {
    std::vector<Column> parts;
    std::vector<int64_t> lengths;
    std::vector<std::string> expected;
    for (int64_t p = 0; p < 1 + random.below(4); ++p) {
      lengths.push_back(random.below(rows + 1));
      parts.push_back(random.column(type, lengths.back()));
      for (auto& t : texts_of(parts.back(), lengths.back())) expected.push_back(t);
    }
    const Column out = ok(concat(parts, lengths, pool()));
    const int64_t total = static_cast<int64_t>(expected.size());
    EXPECT_EQ(texts_of(out, total), expected);
    expect_sound(out, total);
  });
}

TEST(Rows, ConcatKeepsACommonDictionary) {
  RandomColumns random(5);
  const Column c = random.dictionary(arrow::utf8_view(), 300);
  ASSERT_TRUE(c.is_dictionary());
  const std::vector<Column> parts = {slice(c, 0, 100), slice(c, 150, 20), slice(c, 90, 200)};
  const std::vector<int64_t> lengths = {100, 20, 200};
  const Column out = ok(concat(parts, lengths, pool()));
  EXPECT_TRUE(out.is_dictionary());
  EXPECT_EQ(out.dictionary, c.dictionary);
  EXPECT_EQ(value_text(out, 119), value_text(c, 169));
}

TEST(Rows, FlattenAndSliceKeepTheValues) {
  over_everything([](RandomColumns& random, const TypePtr& type, int64_t rows) {
    const Column c = random.column(type, rows);
    const Column flat = ok(flatten(c, rows, pool()));
    EXPECT_TRUE(flat.is_flat());
    EXPECT_EQ(texts_of(flat, rows), texts_of(c, rows));
    expect_sound(flat, rows);
    const int64_t from = random.below(rows + 1), n = random.below(rows - from + 1);
    const Column part = slice(c, from, n);
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_EQ(value_text(part, i), value_text(c, from + i));
      ASSERT_EQ(is_null_at(part, i), is_null_at(c, from + i));
    }
  });
}

TEST(Rows, CompactViewsDropsUnreferencedBytesOnly) {
  RandomColumns random(9);
  const Column c = random.flat(arrow::utf8_view(), 5000, 0.1);
  std::vector<int32_t> few;
  for (int i = 0; i < 40; ++i) few.push_back(static_cast<int32_t>(random.below(5000)));
  const Column taken = ok(take(c, std::span<const int32_t>(few), pool()));
  const Column small = ok(compact_views(taken, 40, pool()));
  EXPECT_EQ(texts_of(small, 40), texts_of(taken, 40));
  EXPECT_LT(retained_bytes(small) * 5, retained_bytes(taken));
  EXPECT_LE(compact_bytes(taken, 40), retained_bytes(small));
  const Column same = ok(compact_views(c, 5000, pool()));
  EXPECT_EQ(same.values, c.values);
}

TEST(Rows, CompactViewsLetsGoOfTextsThatNoShortOneNeeds) {
  auto views = ok(allocate_zeroed(100 * 16, pool()));
  for (int i = 0; i < 100; ++i) {
    auto& v = reinterpret_cast<View16*>(views->mutable_data())[i];
    v.size = 1;
    v.inlined[0] = static_cast<char>('a' + i % 26);
  }
  auto array = make_array(arrow::utf8_view(), 100, nullptr, 0, views);
  array->buffers.push_back(arrow::Buffer::FromString(std::string(5000, 'x')));
  const Column c = Column::flat(array), out = ok(compact_views(c, 100, pool()));
  EXPECT_EQ(out.values->buffers.size(), 2U);
  EXPECT_EQ(out.values->buffers[1], views);  // not copied
  EXPECT_EQ(texts_of(out, 100), texts_of(c, 100));
}

TEST(Rows, BatchesAreCompactedTogetherAsOneByOne) {
  over_everything([](RandomColumns& random, const TypePtr& type, int64_t rows) {
    if (rows == 0) return;
    const Column whole = random.below(2) == 0 ? random.flat(type, rows, 0) : random.column(type, rows);
    std::vector<Batch> parts;
    std::vector<std::string> expected;
    for (int p = 0; p < 4; ++p) {
      Batch b;
      b.rows = 1 + random.below(rows);
      b.columns = {slice(whole, random.below(rows - b.rows + 1), b.rows)};
      const int64_t keep = p == 0 ? 1 : 1 + random.below(20);  // all rows, about one of so many
      Mask mask(b.rows, false);
      for (int64_t i = 0; i < b.rows; ++i) {
        if (random.below(keep) == 0) mask.set(i);
      }
      b.selection = Selection::from_mask(std::move(mask));
      for (int64_t i = 0; i < b.rows; ++i) {
        if (b.selection.all() || b.selection.contains(i)) expected.push_back(value_text(b.columns[0], i));
      }
      parts.push_back(std::move(b));
    }
    const auto n = static_cast<int64_t>(expected.size());
    const auto together = ok(compact_together(parts, 0, n, pool()));
    if (together) {
      EXPECT_EQ(texts_of(*together, n), expected);
      expect_sound(*together, n);
    } else {
      const Physical p = physical_unchecked(*type);
      EXPECT_TRUE(!whole.is_flat() || has_nulls(whole) || p == Physical::kBool || p == Physical::kNull || p == Physical::kNested);
    }
  });
}

// A slice does not know how many of its rows are null.
TEST(Rows, CompactViewsKeepsTheNullsOfSlices) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomColumns random(seed);
    for (const char* type : {"string", "binary", "struct<a:string>", "large_list<string>", "map<int16,list<string>>"}) {
      const Column whole = random.flat(ok(parse_type(type)), 60, 0.3);
      const Column part = Column::flat(whole.values->Slice(random.below(55), 1 + random.below(5)));
      const int64_t rows = part.values->length;
      ASSERT_EQ(texts_of(ok(compact_views(part, rows, pool())), rows), texts_of(part, rows)) << type;
    }
  }
}

TEST(Rows, ConstantsComeFromScalarsAndNulls) {
  for (const TypePtr& type : testing::all_types()) {
    const Column null = ok(null_column(type, pool()));
    EXPECT_TRUE(null.is_constant());
    EXPECT_TRUE(is_null_at(null, 7));
    EXPECT_TRUE(has_nulls(null));
    EXPECT_EQ(texts_of(ok(flatten(null, 3, pool())), 3), (std::vector<std::string>{"null", "null", "null"}));
  }
}

TEST(Batches, CompactKeepsSelectedRowsAndTheirOrigins) {
  testing::at_every_level([](base::SimdLevel) {
    for (uint64_t seed = 1; seed < 40; ++seed) {
      SCOPED_TRACE(seed);
      RandomColumns random(seed);
      const Batch b = random.batch(testing::all_types(), 1 + random.below(500));
      const Batch dense = ok(compact(b, pool(), true));
      EXPECT_TRUE(dense.selection.all());
      ASSERT_EQ(dense.rows, b.selected());
      const auto live = b.selection.indices(b.rows);
      for (size_t c = 0; c < b.columns.size(); ++c) {
        for (size_t i = 0; i < live.size(); ++i)
          ASSERT_EQ(value_text(dense.columns[c], static_cast<int64_t>(i)), value_text(b.columns[c], live[i]));
      }
      for (size_t i = 0; i < live.size(); ++i) ASSERT_EQ(dense.origin.row_of(static_cast<int64_t>(i)), b.origin.first_row + live[i]);
      const int64_t from = random.below(b.rows), n = random.below(b.rows - from + 1);
      const Batch part = slice(b, from, n);
      int64_t inside = 0;
      for (uint16_t i : live) inside += i >= from && i < from + n;
      EXPECT_EQ(part.selected(), inside);
      for (uint16_t i : part.selection.indices(part.rows)) EXPECT_TRUE(b.selection.contains(from + i));
    }
  });
}

// Never said of rows that differ; seen wherever one row of a type of fixed width is repeated, also in the middle of a longer array.
TEST(SameBytes, IsNeverWrongAndSeesRepeatedRows) {
  uint64_t seed = 1;
  for (const TypePtr& type : testing::flat_types()) {
    for (int round = 0; round < 20; ++round, ++seed) {
      SCOPED_TRACE(type->ToString() + ", seed " + std::to_string(seed));
      RandomColumns random(seed);
      const Column some = random.flat(type, 50);
      const auto row = static_cast<int32_t>(random.below(50)), other = static_cast<int32_t>(random.below(50));
      std::vector<int32_t> rows(40, row);
      rows.front() = rows.back() = other;
      const Column taken = ok(take(some, std::span<const int32_t>(rows), pool()));
      const bool null = is_null_at(some, row);
      const bool seen = type->id() == arrow::Type::NA || null || byte_width(ok(physical_of(*type))) > 0;
      EXPECT_EQ(same_bytes(*slice(taken, 1, 38).values, 38), seen);
      for (const int64_t from : {0, 1}) {
        if (same_bytes(*slice(taken, from, 39).values, 39)) {
          EXPECT_TRUE(equal_rows(some, row, some, other));
        }
      }
    }
  }
}

TEST(Blocks, RoundTripKeepsEverything) {
  for (uint64_t seed = 1; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    RandomColumns random(seed);
    const std::vector<TypePtr> types = testing::all_types();
    const Batch b = random.batch(types, random.below(300));
    const auto block = ok(serialize_batch(b, pool()));
    const Batch back = ok(deserialize_batch(block, types, pool()));
    ASSERT_EQ(back.rows, b.rows);
    EXPECT_EQ(back.origin.input, b.origin.input);
    EXPECT_EQ(back.origin.first_row, b.origin.first_row);
    for (size_t c = 0; c < types.size(); ++c) {
      EXPECT_EQ(back.columns[c].encoding, b.columns[c].encoding);
      EXPECT_TRUE(back.columns[c].type()->Equals(*types[c]));
      EXPECT_EQ(texts_of(back.columns[c], b.rows), texts_of(b.columns[c], b.rows));
    }
    for (int64_t i = 0; i < b.rows; ++i) EXPECT_EQ(back.selection.contains(i), b.selection.contains(i));
    EXPECT_EQ(back.selected(), b.selected());
  }
}

TEST(Blocks, HoldReferencedBytesOnly) {
  RandomColumns random(3);
  Batch b;
  b.rows = 10;
  b.columns.push_back(slice(random.flat(arrow::utf8_view(), 20'000), 5, 10));
  b.columns.push_back(slice(random.flat(ok(parse_type("list<int64>")), 20'000), 5, 10));
  EXPECT_LT(ok(serialize_batch(b, pool()))->size(), 4096);
}

TEST(Blocks, CutBlocksAreErrors) {
  RandomColumns random(4);
  const std::vector<TypePtr> types = testing::flat_types();
  const auto block = ok(serialize_batch(random.batch(types, 100), pool()));
  for (int64_t size = 0; size < block->size(); size += 97)
    EXPECT_FALSE(deserialize_batch(arrow::SliceBuffer(block, 0, size), types, pool()).ok());
}

}  // namespace
}  // namespace gristmill::column
