// Hashes, comparisons and encoded keys against the order of single rows.

#include <arrow/type.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <unordered_map>

#include "column/key_encoding.h"
#include "random_columns.h"

namespace gristmill::column {
namespace {

using testing::ok;
using testing::pool;
using testing::RandomColumns;
using testing::texts_of;

constexpr CompareOp kOps[] = {CompareOp::kEq, CompareOp::kNe, CompareOp::kLt, CompareOp::kLe, CompareOp::kGt, CompareOp::kGe};

bool holds(CompareOp op, int c) {
  switch (op) {
    case CompareOp::kEq: return c == 0;
    case CompareOp::kNe: return c != 0;
    case CompareOp::kLt: return c < 0;
    case CompareOp::kLe: return c <= 0;
    case CompareOp::kGt: return c > 0;
    case CompareOp::kGe: return c >= 0;
  }
  return false;
}

Column one(const char* type, const std::string& bytes, int64_t rows) {
  const TypePtr t = ok(parse_type(type));
  auto values = ok(allocate_buffer(static_cast<int64_t>(bytes.size()), pool()));
  std::memcpy(values->mutable_data(), bytes.data(), bytes.size());
  return Column::flat(make_array(t, rows, nullptr, 0, values));
}

Column doubles(std::vector<double> v) {
  return one("float64", std::string(reinterpret_cast<const char*>(v.data()), v.size() * 8), static_cast<int64_t>(v.size()));
}

TEST(RowOrder, NanIsGreatestAndEqualToItselfAndZeroHasNoSign) {
  const Column c = doubles({0.0, -0.0, NAN, -NAN, INFINITY, -INFINITY});
  EXPECT_TRUE(equal_rows(c, 0, c, 1));
  EXPECT_TRUE(equal_rows(c, 2, c, 3));
  EXPECT_GT(compare_rows(c, 2, c, 4), 0);
  EXPECT_LT(compare_rows(c, 5, c, 0), 0);
  uint64_t h[6];
  hash_rows({&c, 1}, 6, {}, h);
  EXPECT_EQ(h[0], h[1]);
  EXPECT_EQ(h[2], h[3]);
  EXPECT_NE(h[0], h[4]);
}

TEST(RowOrder, IsATotalOrderOnEveryType) {
  for (const TypePtr& type : testing::all_types()) {
    for (uint64_t seed = 1; seed < 6; ++seed) {
      SCOPED_TRACE(type->ToString() + " seed " + std::to_string(seed));
      RandomColumns random(seed);
      const Column a = random.column(type, 24);
      for (int64_t i = 0; i < 24; ++i) {
        for (int64_t j = 0; j < 24; ++j) {
          const int c = compare_rows(a, i, a, j);
          ASSERT_EQ(c < 0, compare_rows(a, j, a, i) > 0);
          ASSERT_EQ(equal_rows(a, i, a, j), c == 0);
          if (is_null_at(a, i) && !is_null_at(a, j)) {
            ASSERT_GT(c, 0);
          }
          for (int64_t k = 0; k < 24; ++k) {
            if (c <= 0 && compare_rows(a, j, a, k) <= 0) {
              ASSERT_LE(compare_rows(a, i, a, k), 0);
            }
          }
        }
      }
    }
  }
}

TEST(RowOrder, MapsAreEqualWhateverTheOrderOfTheirEntries) {
  const TypePtr type = ok(parse_type("map<int32,int32>"));
  const auto ints = [](std::vector<int32_t> v) {
    auto b = ok(allocate_buffer(static_cast<int64_t>(v.size() * 4), pool()));
    std::memcpy(b->mutable_data(), v.data(), v.size() * 4);
    return b;
  };
  const auto array = [&](std::vector<int32_t> v) {
    return make_array(arrow::int32(), static_cast<int64_t>(v.size()), nullptr, 0, ints(v));
  };
  auto entries =
      arrow::ArrayData::Make(type->field(0)->type(), 6, {nullptr}, {array({1, 2, 2, 1, 1, 3}), array({10, 20, 20, 10, 10, 20})}, 0);
  const Column c = Column::flat(arrow::ArrayData::Make(type, 3, {nullptr, ints({0, 2, 4, 6})}, {entries}, 0));
  EXPECT_TRUE(equal_rows(c, 0, c, 1));
  EXPECT_FALSE(equal_rows(c, 0, c, 2));
  EXPECT_EQ(value_text(c, 1), "{2: 20, 1: 10}");
  uint64_t h[3];
  hash_rows({&c, 1}, 3, {}, h);
  EXPECT_EQ(h[0], h[1]);
  EXPECT_NE(h[0], h[2]);
  const SortKey order;
  const EncodedKeys keys = ok(encode_keys({&c, 1}, {&order, 1}, 3));
  EXPECT_TRUE(std::ranges::equal(keys.row(0), keys.row(1)));
}

TEST(Compare, AgreesWithTheOrderOfSingleRows) {
  testing::at_every_level([](base::SimdLevel) {
    uint64_t seed = 1;
    for (const TypePtr& type : testing::all_types()) {
      for (int64_t rows : {0, 1, 64, 130, 700}) {
        for (int round = 0; round < 6; ++round, ++seed) {
          SCOPED_TRACE(type->ToString() + ", " + std::to_string(rows) + " rows, seed " + std::to_string(seed));
          RandomColumns random(seed);
          const Column a = random.column(type, rows);
          Column b = random.column(type, rows);
          if (random.chance(0.15)) b = a;
          for (CompareOp op : kOps) {
            const Mask m = ok(compare(op, a, b, rows));
            ASSERT_EQ(m.rows, rows);
            int64_t ones = 0;
            for (int64_t i = 0; i < rows; ++i) {
              const bool expected = !is_null_at(a, i) && !is_null_at(b, i) && holds(op, compare_rows(a, i, b, i));
              ones += expected;
              ASSERT_EQ(m.get(i), expected) << value_text(a, i) << " op " << static_cast<int>(op) << " " << value_text(b, i);
            }
            ASSERT_EQ(m.count(), ones);
          }
          const Mask valid = validity_mask(a, rows);
          for (int64_t i = 0; i < rows; ++i) ASSERT_EQ(valid.get(i), !is_null_at(a, i));
        }
      }
    }
  });
}

TEST(Compare, RefusesDifferentTypes) {
  RandomColumns random(1);
  EXPECT_FALSE(compare(CompareOp::kEq, random.flat(arrow::int32(), 3), random.flat(arrow::int64(), 3), 3).ok());
}

TEST(Hash, IsTheSameInEveryEncodingAtEveryLevelAndForEverySlice) {
  uint64_t seed = 1;
  for (const TypePtr& type : testing::all_types()) {
    for (int round = 0; round < 12; ++round, ++seed) {
      SCOPED_TRACE(type->ToString() + " seed " + std::to_string(seed));
      RandomColumns random(seed);
      const int64_t rows = 1 + random.below(300);
      const std::vector<Column> keys = {random.column(type, rows), random.column(random.pick(testing::all_types()), rows)};
      std::vector<Column> flat;
      for (const Column& c : keys) flat.push_back(ok(flatten(c, rows, pool())));
      std::vector<uint64_t> first;
      testing::at_every_level([&](base::SimdLevel) {
        std::vector<uint64_t> h(rows), g(rows), part(rows);
        hash_rows(keys, rows, {}, h.data());
        hash_rows(flat, rows, {}, g.data());
        ASSERT_EQ(h, g);
        if (first.empty()) first = h;
        ASSERT_EQ(h, first);
        const int64_t from = random.below(rows);
        const std::vector<Column> tail = {slice(keys[0], from, rows - from), slice(keys[1], from, rows - from)};
        hash_rows(tail, rows - from, {}, part.data());
        ASSERT_TRUE(std::equal(h.begin() + from, h.end(), part.begin()));
        const Selection s = random.selection(rows);
        std::vector<uint64_t> some(rows, 12345);
        hash_rows(keys, rows, s, some.data());
        for (int64_t i = 0; i < rows; ++i) ASSERT_EQ(some[i], s.contains(i) ? h[i] : 12345);
      });
    }
  }
}

TEST(Hash, EqualRowsHashAlikeAndOthersAlmostNever) {
  uint64_t seed = 1;
  for (const TypePtr& type : testing::all_types()) {
    SCOPED_TRACE(type->ToString());
    RandomColumns random(seed++);
    const int64_t rows = 200;
    const Column a = random.flat(type, rows), b = random.flat(type, rows);
    std::vector<uint64_t> h(rows), g(rows);
    hash_rows({&a, 1}, rows, {}, h.data());
    hash_rows({&b, 1}, rows, {}, g.data());
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < rows; ++j) ASSERT_EQ(h[i] == g[j], equal_rows(a, i, b, j)) << value_text(a, i) << " / " << value_text(b, j);
    }
  }
}

TEST(Hash, BitsAreSpreadEvenly) {
  // Dense integers and short texts, low and high bits: no bucket of 256 may be far from its share.
  const int64_t rows = 65536;
  std::string ints, views;
  for (int64_t i = 0; i < rows; ++i) {
    ints.append(reinterpret_cast<const char*>(&i), 8);
    View16 v{};
    v.size = 6;
    std::memcpy(v.inlined, std::to_string(100000 + i).data(), 6);
    views.append(reinterpret_cast<const char*>(&v), 16);
  }
  for (const Column& c : {one("int64", ints, rows), one("string", views, rows)}) {
    std::vector<uint64_t> h(rows);
    hash_rows({&c, 1}, rows, {}, h.data());
    for (int shift : {0, 8, 28, 48, 56}) {
      int64_t counts[256] = {};
      for (uint64_t x : h) ++counts[(x >> shift) & 255];
      for (int64_t n : counts) {
        EXPECT_GT(n, 256 - 100);
        EXPECT_LT(n, 256 + 100);
      }
    }
  }
}

TEST(Hash, CanBeForcedToOneValue) {
  RandomColumns random(1);
  const Column c = random.flat(arrow::int64(), 10);
  uint64_t h[10];
  force_constant_hash(42);
  hash_rows({&c, 1}, 10, {}, h);
  force_constant_hash(0);
  for (uint64_t x : h) EXPECT_EQ(x, 42u);
  hash_rows({&c, 1}, 10, {}, h);
  EXPECT_NE(h[0], 42u);
}

// The requested order of two rows, by single rows.
int requested(std::span<const Column> a, int64_t i, std::span<const Column> b, int64_t j, std::span<const SortKey> order) {
  for (size_t k = 0; k < order.size(); ++k) {
    const bool an = is_null_at(a[k], i), bn = is_null_at(b[k], j);
    if (an != bn) return an == order[k].nulls_first ? -1 : 1;
    if (an) continue;
    const int c = compare_rows(a[k], i, b[k], j);
    if (c) return order[k].descending ? -c : c;
  }
  return 0;
}

int sign(int c) { return (c > 0) - (c < 0); }

TEST(KeyEncoding, BytesOrderAsTheRowsDoAcrossBatches) {
  for (uint64_t seed = 1; seed < 250; ++seed) {
    SCOPED_TRACE(seed);
    RandomColumns random(seed);
    const auto types = testing::all_types();
    std::vector<SortKey> order;
    std::vector<Column> a, b;
    const int64_t rows = 30;
    for (int64_t k = 0; k < 1 + random.below(3); ++k) {
      const TypePtr& type = random.pick(types);
      order.push_back({random.chance(0.5), random.chance(0.5), type->id() == arrow::Type::NA || random.chance(0.5)});
      const double nulls = order.back().nullable ? 0.2 : 0;
      a.push_back(random.column(type, rows, nulls));
      b.push_back(random.column(type, rows, nulls));
    }
    const EncodedKeys x = ok(encode_keys(a, order, rows)), y = ok(encode_keys(b, order, rows));
    std::vector<uint64_t> p(rows), q(rows);
    const bool exact = ok(key_prefixes(a, order, rows, p.data()));
    const bool both_exact = ok(key_prefixes(b, order, rows, q.data())) && exact;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < rows; ++j) {
        const auto r = x.row(i), s = y.row(j);
        const int c = std::memcmp(r.data(), s.data(), std::min(r.size(), s.size()));
        const int expected = sign(requested(a, i, b, j, order));
        ASSERT_EQ(sign(c                     ? c
                       : r.size() < s.size() ? -1
                                             : r.size() > s.size()),
                  expected)
            << value_text(a[0], i) << " / " << value_text(b[0], j);
        if (p[i] != q[j]) {
          ASSERT_EQ(p[i] < q[j] ? -1 : 1, expected);
        }
        if (both_exact) {
          ASSERT_EQ(p[i] == q[j], expected == 0);
        }
      }
    }
  }
}

TEST(KeyEncoding, NoKeyIsAPrefixOfAnother) {
  // A sort compares the bytes of several columns as one run: "a" before "ab" must not depend on what follows.
  RandomColumns random(3);
  const Column c = random.flat(arrow::utf8_view(), 200);
  const SortKey order;
  const EncodedKeys keys = ok(encode_keys({&c, 1}, {&order, 1}, 200));
  for (int64_t i = 0; i < 200; ++i) {
    for (int64_t j = 0; j < 200; ++j) {
      const auto r = keys.row(i), s = keys.row(j);
      if (r.size() < s.size()) {
        EXPECT_NE(std::memcmp(r.data(), s.data(), r.size()), 0);
      }
    }
  }
}

TEST(KeyEncoding, PrefixIsExactWhenEverythingFitsAndNothingIsNull) {
  RandomColumns random(3);
  const std::vector<Column> narrow = {random.flat(arrow::int32(), 10, 0), random.flat(arrow::int16(), 10, 0)};
  const std::vector<SortKey> order = {{false, false}, {true, false}};
  uint64_t p[10];
  EXPECT_TRUE(ok(key_prefixes(narrow, order, 10, p)));
  const std::vector<Column> wide = {random.flat(arrow::int64(), 10, 0), random.flat(arrow::int16(), 10, 0)};
  EXPECT_FALSE(ok(key_prefixes(wide, order, 10, p)));
  const std::vector<Column> gaps = {ok(null_column(arrow::int32(), pool())), random.flat(arrow::int16(), 10, 0)};
  EXPECT_FALSE(ok(key_prefixes(gaps, order, 10, p)));
  const std::vector<Column> text = {random.flat(arrow::utf8_view(), 10, 0), random.flat(arrow::int16(), 10, 0)};
  EXPECT_FALSE(ok(key_prefixes(text, order, 10, p)));
}

}  // namespace
}  // namespace gristmill::column
