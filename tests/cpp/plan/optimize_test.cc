// The rules together: a query as users write it, and what must hold for any plan.

#include <gtest/gtest.h>

#include "plan/random_plan.h"
#include "plan/rules/rule_test.h"

namespace gristmill::plan {
namespace {

using namespace testing;

TEST(Optimize, PlansTheQueryOfTheReadme) {
  auto p = scan("trips/*.parquet (12 files)", "zone:string fare:float64 km:float64 tip:float64 driver:string");
  p = filter(p, both(gt(c("fare"), lit(10)), expr::call("is_not_null", {c("zone")})));
  p = ok(make_with_columns(p, {as(ratio(c("fare"), c("km")), "per_km")}));
  p = aggregate(p, {c("zone")}, {agg("mean", c("per_km")), as(agg("sum", c("fare")), "total"), expr::aggregate("count", {})});
  p = limit(ok(make_sort(p, {{c("total"), true}})), 20);
  EXPECT_EQ(explain(*ok(optimize(p))),
            "limit 20\n"
            "  sort by total desc top 20\n"
            "    aggregate by zone: mean(per_km) as per_km, sum(fare) as total, count() as count\n"
            "      project zone, fare, fare / km as per_km\n"
            "        scan trips/*.parquet (12 files) columns [zone, fare, km] where (fare > 10) and zone is not null\n");
}

TEST(Optimize, CombinesRulesUntilNothingChanges) {
  auto l = scan("l", "k:int64 x:float64 y:float64", 10), r = scan("r", "k:int64 z:float64 w:string", 100000);
  auto p = join(sort(l, "x"), project(r, {c("k"), c("z"), as(expr::call("coalesce", {c("w"), text("none")}), "v")}), JoinKind::kInner);
  p = filter(p, both(gt(c("x"), add(lit(1), lit(1))), gt(c("z"), c("y"))));
  p = project(p, {agg("max", c("z"))});
  EXPECT_EQ(explain(*ok(optimize(p))),
            "aggregate: max(z) as z\n"
            "  filter z > y\n"
            "    join inner on k = k columns [y, z] build left in any order\n"
            "      scan l columns [k, y] where x > 2\n"
            "      scan r columns [k, z]\n");
}

struct Tables {
  std::vector<TableSourcePtr> sources = {
      fake("one", "a:int64 b:int32 f:float64 s:string t:bool l:list<int64> d:decimal(12,2)", 1000),
      fake("two", "a:int64 g:float32 s:string u:uint8 day:date!", 50),
      fake("three", "b:int32! s:binary a:float64"),
  };
  std::vector<PlanPtr> scans() const {
    std::vector<PlanPtr> out;
    for (const auto& s : sources) out.push_back(make_scan(s).ValueOrDie());
    return out;
  }
  SourceResolver resolver() const {
    return [this](const std::string&, const std::string& json) -> arrow::Result<TableSourcePtr> {
      for (const auto& s : sources) {
        if (s->to_json() == json) return s;
      }
      return base::plan_error("no source " + json);
    };
  }
};

TEST(Optimize, KeepsSchemasAndComesToRestOnRandomPlans) {
  const Tables tables;
  for (uint64_t seed = 0; seed < 600; ++seed) {
    RandomPlan random(seed, tables.scans(), seed % 3 != 0);
    const PlanPtr p = random.make(1 + static_cast<int>(seed % 9));
    for (const bool ordered : {true, false}) {
      const auto out = optimize(p, ordered);
      ASSERT_TRUE(out.ok()) << "seed " << seed << ": " << message_of(out.status()) << "\n" << explain(*p);
      ASSERT_TRUE((*out)->schema->Equals(*p->schema)) << "seed " << seed << "\n" << explain(*p) << "became\n" << explain(**out);
      ASSERT_EQ(explain(**optimize(*out, ordered)), explain(**out)) << "seed " << seed;
    }
  }
}

// Every node below the root must state the schema that rebuilding it gives.
void expect_consistent(const Plan& p, uint64_t seed) {
  const auto rebuilt = with_inputs(p, p.inputs);
  ASSERT_TRUE(rebuilt.ok()) << "seed " << seed << ": " << message_of(rebuilt.status()) << "\n" << explain(p);
  ASSERT_TRUE((*rebuilt)->schema->Equals(*p.schema)) << "seed " << seed << "\n" << explain(p);
  for (const PlanPtr& in : p.inputs) expect_consistent(*in, seed);
}

TEST(Serialize, RoundTripsRandomPlans) {
  const Tables tables;
  for (uint64_t seed = 0; seed < 600; ++seed) {
    RandomPlan random(seed, tables.scans());
    const PlanPtr plan = random.make(1 + static_cast<int>(seed % 9));
    for (const PlanPtr& p : {plan, ok(optimize(plan)), ok(optimize(plan, false))}) {
      const std::string text = serialize(*p);
      const auto back = deserialize(text, tables.resolver());
      ASSERT_TRUE(back.ok()) << "seed " << seed << ": " << message_of(back.status()) << "\n" << text;
      ASSERT_EQ(serialize(**back), text) << "seed " << seed;
      ASSERT_EQ(explain(**back), explain(*p)) << "seed " << seed;
      ASSERT_TRUE((*back)->schema->Equals(*p->schema)) << "seed " << seed << "\n" << explain(*p);
      expect_consistent(*p, seed);
    }
  }
}

TEST(RandomPlan, IsAFunctionOfItsSeed) {
  const Tables tables;
  EXPECT_EQ(explain(*RandomPlan(7, tables.scans()).make(8)), explain(*RandomPlan(7, tables.scans()).make(8)));
}

}  // namespace
}  // namespace gristmill::plan
