// Tables as a person reads them.

#include <limits>
#include <optional>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "frame/text_width.h"
#include "gristmill/frame.h"

namespace gristmill {
namespace {

template <typename Builder, typename T>
std::shared_ptr<arrow::Array> column(const std::vector<std::optional<T>>& values, Builder&& builder = Builder()) {
  for (const auto& v : values) (v ? builder.Append(*v) : builder.AppendNull()).ok();
  return *builder.Finish();
}

std::shared_ptr<arrow::Array> ints(const std::vector<std::optional<int64_t>>& v) { return column<arrow::Int64Builder>(v); }
std::shared_ptr<arrow::Array> doubles(const std::vector<std::optional<double>>& v) { return column<arrow::DoubleBuilder>(v); }
std::shared_ptr<arrow::Array> strings(const std::vector<std::optional<std::string>>& v) { return column<arrow::StringBuilder>(v); }

Table table(const std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, array] : columns) {
    fields.push_back(arrow::field(name, array->type()));
    arrays.push_back(array);
  }
  return Table(arrow::Table::Make(arrow::schema(fields), arrays));
}

TEST(TableText, PutsTypesBelowNamesAndNumbersToTheRight) {
  const Table t = table({{"zone", strings({"JFK", std::nullopt})}, {"fare", doubles({52.5, -3})}, {"n", ints({1, std::nullopt})}});
  EXPECT_EQ(t.to_string(),
            "┌────────┬─────────┬───────┐\n"
            "│ zone   │    fare │     n │\n"
            "│ string │ float64 │ int64 │\n"
            "├────────┼─────────┼───────┤\n"
            "│ JFK    │    52.5 │     1 │\n"
            "│ null   │    -3.0 │  null │\n"
            "└────────┴─────────┴───────┘\n"
            "2 rows, 3 columns\n");
}

TEST(TableText, ShowsTheFirstAndTheLastRowsOfMany) {
  std::vector<std::optional<int64_t>> v;
  for (int64_t i = 0; i < 100; ++i) v.push_back(i);
  EXPECT_EQ(table({{"n", ints(v)}}).to_string(3),
            "┌───────┐\n"
            "│     n │\n"
            "│ int64 │\n"
            "├───────┤\n"
            "│     0 │\n"
            "│     1 │\n"
            "│     … │\n"
            "│    99 │\n"
            "└───────┘\n"
            "100 rows, 1 column\n");
}

TEST(TableText, AlignsWideAndCombiningCharacters) {
  EXPECT_EQ(table({{"s", strings({"東京", "cafe\u0301", "a\nb", "🚕"})}}).to_string(),
            "┌────────┐\n"
            "│ s      │\n"
            "│ string │\n"
            "├────────┤\n"
            "│ 東京   │\n"
            "│ cafe\u0301   │\n"
            "│ a\\nb   │\n"
            "│ 🚕     │\n"
            "└────────┘\n"
            "4 rows, 1 column\n");
}

TEST(TableText, CutsLongTexts) {
  const std::string out = table({{"s", strings({std::string(200, 'x')})}}).to_string();
  EXPECT_NE(out.find("│ " + std::string(35, 'x') + "… │"), std::string::npos) << out;
}

TEST(TableText, LeavesOutColumnsInTheMiddle) {
  std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>> columns;
  for (int i = 0; i < 50; ++i) columns.push_back({"column_" + std::to_string(i), ints({i})});
  const std::string out = table(columns).to_string();
  EXPECT_NE(out.find("column_0 "), std::string::npos);
  EXPECT_NE(out.find("column_49"), std::string::npos);
  EXPECT_EQ(out.find("column_25"), std::string::npos);
  EXPECT_LE(frame::text_width(out.substr(0, out.find('\n'))), 120);
  EXPECT_NE(out.find("1 row, 50 columns"), std::string::npos);
}

TEST(TableText, ShowsEveryTypeReadably) {
  arrow::TimestampBuilder micros(arrow::timestamp(arrow::TimeUnit::MICRO), arrow::default_memory_pool());
  const auto stamp = column<arrow::TimestampBuilder&, int64_t>({1'700'000'000'000'000}, micros);
  const auto day = column<arrow::Date32Builder, int32_t>({19675});
  const auto yes = column<arrow::BooleanBuilder, bool>({true});
  const auto odd = doubles({std::numeric_limits<double>::quiet_NaN()});
  arrow::ListBuilder lists(arrow::default_memory_pool(), std::make_shared<arrow::Int64Builder>());
  lists.Append().ok();
  static_cast<arrow::Int64Builder&>(*lists.value_builder()).AppendValues({1, 2}).ok();
  const auto list = *lists.Finish();
  const auto structs = *arrow::StructArray::Make({ints({1}), strings({"x"})}, std::vector<std::string>{"a", "b"});
  const std::string out = table({{"t", stamp}, {"d", day}, {"b", yes}, {"f", odd}, {"l", list}, {"s", structs}}).to_string();
  for (const char* want : {"2023-11-14 22:13:20", "2023-11-14 ", "true", "NaN", "[1, 2]", "{a: 1, b: x}"}) {
    EXPECT_NE(out.find(want), std::string::npos) << want << "\n" << out;
  }
}

TEST(TableText, OfNothingIsStillReadable) {
  EXPECT_EQ(Table().to_string(), "0 rows, 0 columns\n");
  EXPECT_EQ(table({{"n", ints({})}}).to_string(),
            "┌───────┐\n"
            "│     n │\n"
            "│ int64 │\n"
            "├───────┤\n"
            "└───────┘\n"
            "0 rows, 1 column\n");
}

TEST(TextWidth, CountsBrokenBytesAsTheirEscapes) {
  EXPECT_EQ(frame::text_width("a"), 1);
  EXPECT_EQ(frame::printable("\xff\xfe"
                             "a",
                             20),
            "\\xff\\xfea");
  EXPECT_EQ(frame::printable("\xe6\x9d", 20), "\\xe6\\x9d");
  EXPECT_EQ(frame::printable("abcdef", 4), "abc…");
  EXPECT_EQ(frame::printable("abcd", 4), "abcd");
  EXPECT_EQ(frame::printable("東京都", 4), "東…");
}

}  // namespace
}  // namespace gristmill
