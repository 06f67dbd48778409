// Reshaping and quality through the C++ API; the values are compared with Polars in tests/python/test_reshape.py.

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "gristmill/frame.h"

namespace gristmill {
namespace {

Frame trips() {
  arrow::StringBuilder zone, day;
  arrow::DoubleBuilder fare;
  for (const auto& [z, d, f] :
       std::vector<std::tuple<const char*, const char*, double>>{{"A", "mo", 1}, {"B", "mo", 2}, {"A", "tu", 3}, {"A", "mo", 4}}) {
    EXPECT_TRUE(zone.Append(z).ok() && day.Append(d).ok() && fare.Append(f).ok());
  }
  EXPECT_TRUE(zone.AppendNull().ok() && day.Append("tu").ok() && fare.AppendNull().ok());
  return from_arrow(arrow::Table::Make(
      arrow::schema({arrow::field("zone", arrow::utf8()), arrow::field("day", arrow::utf8()), arrow::field("fare", arrow::float64())}),
      {zone.Finish().ValueOrDie(), day.Finish().ValueOrDie(), fare.Finish().ValueOrDie()}));
}

// Rows as text, one a line.
std::string rows(const Frame& f) {
  const auto table = f.collect();
  if (!table.ok()) return base::describe_error(table.status());
  const auto data = table->arrow().ValueOrDie();
  std::string out;
  for (int64_t r = 0; r < data->num_rows(); ++r) {
    for (int c = 0; c < data->num_columns(); ++c) {
      const auto value = data->column(c)->GetScalar(r).ValueOrDie();
      out += (c ? " " : "") + (value->is_valid ? value->ToString() : "-");
    }
    out += "\n";
  }
  return out;
}

TEST(Reshape, PivotAndBack) {
  EXPECT_EQ(rows(trips().pivot({.on = "day", .index = {"zone"}, .values = {"fare"}, .aggregate = "sum"})), "A 5 3\nB 2 -\n- - -\n");
  const Frame given = trips().pivot({.on = "day", .index = {"zone"}, .values = {"fare"}, .aggregate = "max", .on_values = {{Expr("tu")}}});
  EXPECT_EQ(rows(given), "A 3\nB -\n- -\n");
  EXPECT_EQ(rows(trips().head(2).unpivot({.on = {"zone", "day"}, .index = {"fare"}})), "1 zone A\n1 day mo\n2 zone B\n2 day mo\n");
  EXPECT_EQ(rows(trips().crosstab("zone", "day")), "A 2 1\nB 1 0\n- 0 1\n");
  EXPECT_NE(rows(trips().pivot({.on = "day", .index = {"zone"}})).find("needs values"), std::string::npos);
}

TEST(Reshape, RowsFromTheEndAndOnce) {
  EXPECT_EQ(rows(trips().select({col("fare")}).tail(2)), "4\n-\n");
  EXPECT_EQ(rows(trips().select({col("fare")}).slice(-3, 2)), "3\n4\n");
  EXPECT_EQ(rows(trips().select({col("fare")}).reverse()), "-\n4\n3\n2\n1\n");
  EXPECT_EQ(rows(trips().distinct({"zone", "day"}, Keep::kLast)), "B mo 2\nA tu 3\nA mo 4\n- tu -\n");
  EXPECT_EQ(rows(trips().distinct({"zone"}, Keep::kNone)), "B mo 2\n- tu -\n");
  EXPECT_EQ(rows(trips().select({col("fare")}).with_row_index("n", 1).head(2)), "1 1\n2 2\n");
  EXPECT_EQ(rows(trips().value_counts("zone")), "A 3\nB 1\n- 1\n");
}

TEST(Reshape, Quality) {
  EXPECT_EQ(rows(trips().null_count()), "1 0 1\n");
  EXPECT_EQ(rows(trips().fill_null(0).tail(1)), "- tu 0\n");
  EXPECT_EQ(rows(trips().fill_null("?").tail(1)), "? tu -\n");
  EXPECT_EQ(rows(trips().drop_nulls().validate({.ranges = {{"fare", 2, null()}}, .unique = {{"zone", "day"}}})),
            "0 range(fare); unique(zone, day) A mo 1\n3 unique(zone, day) A mo 4\n");
  EXPECT_EQ(rows(trips().validation_report({.not_null = {"zone"}, .checks = {{"cheap", col("fare") < 3}}})), "not_null(zone) 1\ncheap 2\n");
  EXPECT_EQ(rows(trips().outliers({"fare"}, {Outliers::kZScore, 1.1})), "A mo 1\nA mo 4\n");
}

TEST(Reshape, SelectorsExpand) {
  const auto names = trips().column_names({cs::text() | cs::floats(), (all() - cs::by_name({"day"})).name_suffix("_x")});
  ASSERT_TRUE(names.ok());
  EXPECT_EQ(*names, (std::vector<std::string>{"zone", "day", "fare", "zone_x", "fare_x"}));
  EXPECT_EQ(rows(trips().select({cs::numeric().sum()})), "10\n");
  for (const auto& [one, other] : {std::pair{cs::integer(), cs::integers()},
                                   {cs::float_(), cs::floats()},
                                   {cs::string(), cs::text()},
                                   {cs::boolean(), cs::booleans()}}) {
    EXPECT_EQ(*trips().column_names({one}), *trips().column_names({other}));
  }
  EXPECT_EQ(rows(trips().filter(all().is_not_null()).select({count()})), "4\n");
  EXPECT_NE(rows(trips().select({cs::by_name({"fair"})})).find("fare"), std::string::npos);
}

TEST(Reshape, ConcatKinds) {
  const Frame a = trips().select({col("zone")}).head(1), b = trips().select({col("fare")}).head(2);
  EXPECT_EQ(rows(concat({a, b}, Concat::kDiagonal)), "A -\n- 1\n- 2\n");
  EXPECT_EQ(rows(concat({a, b}, Concat::kHorizontal)), "A 1\n- 2\n");
}

}  // namespace
}  // namespace gristmill
