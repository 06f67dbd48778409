// Chains of frames: the plans they build and the first error they keep.

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "base/status.h"
#include "gristmill/frame.h"
#include "plan/logical.h"

namespace gristmill {
namespace {

Frame table_of(const std::vector<std::pair<std::string, std::shared_ptr<arrow::DataType>>>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, type] : columns) {
    fields.push_back(arrow::field(name, type));
    arrays.push_back(*arrow::MakeBuilder(type).ValueOrDie()->Finish());
  }
  return from_arrow(arrow::Table::Make(arrow::schema(fields), arrays));
}

Frame trips() {
  return table_of({{"zone", arrow::utf8()}, {"fare", arrow::float64()}, {"km", arrow::float64()}, {"tags", arrow::list(arrow::utf8())}});
}
Frame zones() { return table_of({{"zone", arrow::utf8()}, {"name", arrow::utf8()}, {"fare", arrow::int32()}}); }

std::string plan_of(const Frame& f, bool optimized = false) {
  const auto text = f.explain(optimized);
  return text.ok() ? *text : base::describe_error(text.status());
}

std::string names(const Frame& f) {
  const auto schema = f.schema();
  if (!schema.ok()) return base::describe_error(schema.status());
  std::string out;
  for (const auto& field : (*schema)->fields()) out += (out.empty() ? "" : " ") + field->name();
  return out;
}

TEST(Frame, BuildsTheQueryOfTheReadme) {
  const Frame f = trips()
                      .filter((col("fare") > 10) & col("zone").is_not_null())
                      .with_columns({(col("fare") / col("km")).alias("per_km")})
                      .group_by({"zone"})
                      .agg({col("per_km").mean(), col("fare").sum().alias("total"), count()})
                      .sort({desc("total")})
                      .head(20);
  EXPECT_EQ(plan_of(f),
            "limit 20\n"
            "  sort by total desc\n"
            "    aggregate by zone: mean(per_km) as per_km, sum(fare) as total, count() as count\n"
            "      project zone, fare, km, tags, fare / km as per_km\n"
            "        filter (fare > 10) and zone is not null\n"
            "          scan table (4 columns, 0 rows) columns [zone, fare, km, tags]\n");
  EXPECT_EQ(plan_of(f, true),
            "limit 20  ~1 row\n"
            "  sort by total desc top 20\n"
            "    aggregate by zone: mean(per_km) as per_km, sum(fare) as total, count() as count  ~1 row\n"
            "      project zone, fare, fare / km as per_km\n"
            "        scan table (4 columns, 0 rows) columns [zone, fare, km] where (fare > 10) and zone is not null  ~0 rows\n");
}

TEST(Frame, KeepsTheFirstErrorOfAChain) {
  const Frame f = trips().filter(col("fair") > 1).select({col("nothing")}).sort({asc("zone")}).head(-1);
  EXPECT_EQ(plan_of(f), "no column \"fair\"; did you mean \"fare\"?");
  EXPECT_EQ(names(f), plan_of(f));
  EXPECT_FALSE(f.serialize().ok());
  EXPECT_EQ(names(trips().join(f, {.on = {"zone"}})), plan_of(f));
  EXPECT_EQ(names(concat({trips(), f})), plan_of(f));
  EXPECT_EQ(names(f.group_by({"zone"}).agg({count()})), plan_of(f));
}

TEST(Frame, SelectsDropsAndRenames) {
  EXPECT_EQ(names(trips().select({col("km"), col("fare") * 2})), "km fare");
  EXPECT_EQ(names(trips().select({})), "select needs at least one expression");
  EXPECT_EQ(names(trips().drop({"km", "tags"})), "zone fare");
  EXPECT_EQ(names(trips().drop({"kn"})), "no column \"kn\"; did you mean \"km\"?");
  EXPECT_EQ(names(trips().rename({{"km", "fare"}, {"fare", "km"}})), "zone km fare tags");
  EXPECT_EQ(names(trips().rename({{"km", "fare"}})), "two output columns are called \"fare\"; give one of them another name with alias()");
}

TEST(Frame, JoinsByOneOrByTwoListsOfKeys) {
  EXPECT_EQ(names(trips().join(zones(), {.on = {"zone"}})), "zone fare km tags name fare_right");
  EXPECT_EQ(names(trips().join(zones(), {.left_on = {"zone"}, .right_on = {"name"}, .suffix = "_z"})),
            "zone fare km tags zone_z name fare_z");
  EXPECT_EQ(names(trips().join(zones(), {.on = {"zone"}, .how = Join::kSemi})), "zone fare km tags");
  EXPECT_EQ(names(trips().join(zones(), {})), "a join needs keys; give on, or left_on and right_on");
  EXPECT_EQ(names(trips().join(zones(), {.on = {"zone"}, .left_on = {"zone"}})), "a join takes either on, or left_on and right_on");
}

TEST(Frame, SlicesAndSorts) {
  EXPECT_EQ(plan_of(trips().drop({"tags"}).sort({asc("zone"), {col("fare") / col("km"), true, true}}).slice(5, 10)),
            "limit 10 skip 5\n"
            "  sort by zone, fare / km desc nulls first\n"
            "    project zone, fare, km\n"
            "      scan table (4 columns, 0 rows) columns [zone, fare, km, tags]\n");
  EXPECT_EQ(names(trips().head(-3)), "the number of rows of a limit cannot be negative: -3");
}

TEST(Frame, AggregatesWithAndWithoutKeys) {
  EXPECT_EQ(names(trips().select({col("fare").sum(), count()})), "fare count");
  EXPECT_EQ(names(trips().group_by({}).agg({count()})), "group_by needs at least one key; use select() to aggregate a whole frame");
  EXPECT_EQ(names(trips().group_by(std::vector<Expr>{(col("fare") > 3).alias("dear")}).agg({count()})), "dear count");
}

TEST(Frame, UnitesDistinctsAndExplodes) {
  EXPECT_EQ(names(trips().union_with({trips(), trips()})), "zone fare km tags");
  EXPECT_EQ(names(concat({})), "concat needs at least one frame");
  EXPECT_EQ(names(trips().distinct({"zone"})), "zone fare km tags");
  EXPECT_EQ((*trips().explode({"tags"}).schema())->GetFieldByName("tags")->type()->ToString(), "string");
}

TEST(Frame, RefusesToWriteDownAPlanOverMemory) {
  const auto text = trips().filter(col("fare") > 10).serialize();
  ASSERT_FALSE(text.ok());
  EXPECT_NE(text.status().message().find("a plan over a memory source cannot leave its process"), std::string::npos) << text.status();
}

}  // namespace
}  // namespace gristmill
