// First keys in which no two rows differ, or nearly none: the order is that of the others, whatever form the equal ones come in.

#include "sort_driver.h"

#include "exec/sort_chunk.h"

namespace gristmill::exec {
namespace {

using namespace sort_testing;  // NOLINT: the driver

enum class Form { kFlat, kConstant, kDictionary };

Column repeated(const Column& one, int64_t rows, Form form) {
  if (form == Form::kConstant) return one;
  const std::vector<int64_t> zeros(static_cast<size_t>(rows), 0);
  const Column flat = ok(column::flatten(one, 1, pool()));
  if (form == Form::kFlat) return ok(column::take(flat, std::span<const int64_t>(zeros), pool()));
  auto indices = ok(column::allocate_buffer(rows * 4, pool()));
  std::memset(indices->mutable_data(), 0, static_cast<size_t>(rows) * 4);
  return Column::dict(column::make_array(arrow::int32(), rows, nullptr, 0, std::move(indices)), flat.values);
}

Column one_text(const std::string& text) {
  arrow::StringViewBuilder builder;
  EXPECT_TRUE(builder.Append(text).ok());
  return Column::constant(ok(builder.Finish())->data());
}
Column one_number(double v) {
  arrow::DoubleBuilder builder;
  EXPECT_TRUE(builder.Append(v).ok());
  return Column::constant(ok(builder.Finish())->data());
}

// A number, a text, and what differs; `other`: the last morsel has another text.
SortData rows_of(RandomColumns& random, const std::string& text, bool other, bool all_equal) {
  SortData data;
  for (int m = 0; m < 6; ++m) {
    Batch b;
    b.rows = 300;
    const auto form = [&] { return random.pick(std::vector<Form>{Form::kFlat, Form::kConstant, Form::kDictionary}); };
    b.columns.push_back(repeated(one_number(m % 2 == 0 ? 0.0 : -0.0), b.rows, random.chance(0.5) ? Form::kFlat : Form::kConstant));
    b.columns.push_back(repeated(one_text(other && m == 5 ? "another" : text), b.rows, form()));
    b.columns.push_back(all_equal ? repeated(one_text("x"), b.rows, Form::kFlat) : random.flat(arrow::utf8_view(), b.rows, 0.1));
    add_morsel(data, std::move(b));
  }
  data.types = {arrow::float64(), arrow::utf8_view(), arrow::utf8_view(), arrow::int64()};
  return data;
}

TEST(SortSharedKeys, AreLeftOutOfThePrefixes) {
  uint64_t seed = 1;
  for (const char* text : {"", "short", "a text too long for a view of its own"}) {
    for (const bool other : {false, true}) {
      for (const bool all_equal : {false, true}) {
        RandomColumns random(++seed);
        SCOPED_TRACE(std::string(text) + " " + std::to_string(other) + std::to_string(all_equal));
        const SortData data = rows_of(random, text, other, all_equal);
        const SortSpec spec =
            sort_by(data, {input(data, 0), input(data, 1), input(data, 2)}, {{false, false}, {other, true}, {true, false}});
        const Expected expected = expect(spec, data);
        for (const int workers : {1, 3}) {
          check_run(spec, data, expected, {.seed = seed, .workers = workers});
          check_run(spec, data, expected, {.seed = seed, .workers = workers, .cut_rows = 7, .eager = true});
        }
        if (HasFailure()) return;
      }
    }
  }
}

enum class Odd { kNone, kNull, kShorter };

// Names that start with "namespace-"; `odd`: one row of the last morsel has another.
SortData names(RandomColumns& random, Odd odd) {
  const std::vector<std::string> ends = {"",    "1",     "10",                  "100",
                                         "2",   "1\x7f", std::string(1, '\0'), std::string("\0a", 2),
                                         "abc", "a long name", "a longer name"};
  SortData data;
  for (int m = 0; m < 6; ++m) {
    Batch b;
    b.rows = 300;
    arrow::StringViewBuilder builder;
    for (int64_t i = 0; i < b.rows; ++i) {
      const bool here = odd != Odd::kNone && m == 5 && i == 200;
      const std::string name = here && odd == Odd::kShorter ? "nam" : "namespace-" + random.pick(ends);
      EXPECT_TRUE((here && odd == Odd::kNull ? builder.AppendNull() : builder.Append(name)).ok());
    }
    const Form form = random.chance(0.5) ? Form::kConstant : Form::kDictionary;
    b.columns.push_back(m == 3 ? repeated(one_text("namespace-10"), b.rows, form) : Column::flat(ok(builder.Finish())->data()));
    b.columns.push_back(random.flat(arrow::utf8_view(), b.rows, 0.1));
    add_morsel(data, std::move(b));
  }
  data.types = {arrow::utf8_view(), arrow::utf8_view(), arrow::int64()};
  return data;
}

TEST(SortSharedKeys, NamesThatStartAlike) {
  uint64_t seed = 1;
  for (const Odd odd : {Odd::kNone, Odd::kNull, Odd::kShorter}) {
    for (const bool descending : {false, true}) {
      RandomColumns random(++seed);
      SCOPED_TRACE(std::to_string(static_cast<int>(odd)) + std::to_string(descending));
      const SortData data = names(random, odd);
      const SortSpec spec = sort_by(data, {input(data, 0), input(data, 1)}, {{descending, false}, {false, true}});
      const Expected expected = expect(spec, data);
      for (const int workers : {1, 3}) {
        check_run(spec, data, expected, {.seed = seed, .workers = workers});
        check_run(spec, data, expected, {.seed = seed, .workers = workers, .cut_rows = 7, .eager = true});
      }
      if (HasFailure()) return;
    }
  }
}

TEST(SortSharedKeys, BytesThatTextsShareAreCounted) {
  arrow::StringViewBuilder builder;
  for (const char* text : {"worker-10.example", "worker-1.example", "worker-12"}) EXPECT_TRUE(builder.Append(text).ok());
  const Column texts = Column::flat(ok(builder.Finish())->data());
  EXPECT_EQ(shared_bytes(texts, 3, "worker-10.example", 64), 8U);
  EXPECT_EQ(shared_bytes(texts, 3, "worker-2", 64), 7U);
  EXPECT_EQ(shared_bytes(texts, 3, "worker-2", 5), 5U);
  EXPECT_EQ(shared_bytes(one_text("wo"), 3, "worker-2", 64), 2U);
  EXPECT_EQ(shared_bytes(repeated(one_text("worker"), 3, Form::kDictionary), 3, "worker-2", 64), 6U);
  EXPECT_EQ(shared_bytes(one_number(1), 3, "worker-2", 64), 0U);
  EXPECT_TRUE(builder.Append("worker-10").ok());
  EXPECT_TRUE(builder.AppendNull().ok());
  EXPECT_EQ(shared_bytes(Column::flat(ok(builder.Finish())->data()), 2, "worker-2", 64), 0U);
}

TEST(SortSharedKeys, AreCounted) {
  const auto chunk = [](std::vector<Column> keys, int64_t rows) {
    SortChunk c;
    c.keys = std::move(keys);
    c.rows.rows = rows;
    c.shared_keys = shared_keys(c);
    return c;
  };
  RandomColumns random(3);
  const Column differs = random.flat(arrow::int32(), 100, 0);
  const SortChunk flat = chunk({repeated(one_number(0.0), 100, Form::kFlat), repeated(one_text("Pod"), 100, Form::kFlat), differs}, 100);
  EXPECT_EQ(flat.shared_keys, 2U);
  const SortChunk constant = chunk({one_number(-0.0), repeated(one_text("Pod"), 100, Form::kDictionary), differs}, 100);
  EXPECT_EQ(constant.shared_keys, 2U);
  EXPECT_EQ(shared_keys(std::vector<SortChunk>{flat, constant}), 2U);
  const SortChunk other = chunk({one_number(0.0), one_text("Storage"), differs}, 100);
  EXPECT_EQ(shared_keys(std::vector<SortChunk>{flat, other, constant}), 1U);
  const SortChunk last = chunk({differs, one_text("Pod")}, 100);
  EXPECT_EQ(last.shared_keys, 0U);
  EXPECT_EQ(shared_keys(std::vector<SortChunk>{flat, chunk({differs}, 0), constant}), 2U);  // without rows
}

}  // namespace
}  // namespace gristmill::exec
