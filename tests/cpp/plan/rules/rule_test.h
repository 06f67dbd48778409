// A rule's test is two texts: the plan before and after.
#pragma once

#include <gtest/gtest.h>

#include "plan/fake_source.h"
#include "plan/rules/rules.h"

namespace gristmill::plan::testing {

using RuleFunction = arrow::Result<PlanPtr> (*)(const PlanPtr&);

inline PlanPtr ok(arrow::Result<PlanPtr> plan) {
  if (plan.ok()) return *plan;
  ADD_FAILURE() << message_of(plan.status());
  return scan("failed", "failed:int64");
}

// Applies the rule once, checks the schema and that a second application changes nothing; the text afterwards.
inline std::string after(RuleFunction rule, const PlanPtr& before) {
  const PlanPtr out = ok(rule(before));
  EXPECT_TRUE(out->schema->Equals(*before->schema)) << before->schema->ToString() << "\nbecame\n" << out->schema->ToString();
  const PlanPtr again = ok(rule(out));
  EXPECT_EQ(again, out) << "not at rest:\n" << explain(*out) << "became\n" << explain(*again);
  return explain(*out);
}

inline void expect_unchanged(RuleFunction rule, const PlanPtr& before) {
  const PlanPtr out = ok(rule(before));
  EXPECT_EQ(out, before) << explain(*before) << "became\n" << explain(*out);
}

inline PlanPtr filter(const PlanPtr& p, expr::NodePtr e) { return ok(make_filter(p, std::move(e))); }
inline PlanPtr project(const PlanPtr& p, std::vector<expr::NodePtr> e) { return ok(make_project(p, std::move(e))); }
inline PlanPtr aggregate(const PlanPtr& p, std::vector<expr::NodePtr> k, std::vector<expr::NodePtr> a) {
  return ok(make_aggregate(p, std::move(k), std::move(a)));
}
inline PlanPtr sort(const PlanPtr& p, const std::string& column) { return ok(make_sort(p, {{c(column)}})); }
inline PlanPtr limit(const PlanPtr& p, int64_t count, int64_t offset = 0) { return ok(make_limit(p, offset, count)); }
inline PlanPtr join(const PlanPtr& l, const PlanPtr& r, JoinKind kind, const std::string& on = "k") {
  return ok(make_join(l, r, kind, {c(on)}, {c(on)}, true));
}
inline PlanPtr unite(std::vector<PlanPtr> inputs) { return ok(make_union(std::move(inputs))); }

}  // namespace gristmill::plan::testing
