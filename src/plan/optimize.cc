// Runs the rules of rules/ in the order of one table until none of them changes the plan.
//
// Rules return the very same pointer when they change nothing; that is how the end is found.

#include <arrow/type.h>

#include "base/status.h"
#include "plan/rules/rules.h"

namespace gristmill::plan {
namespace {

struct Rule {
  const char* name;
  arrow::Result<PlanPtr> (*apply)(const PlanPtr& plan, bool ordered);
};

template <arrow::Result<PlanPtr> (*kApply)(const PlanPtr&)>
arrow::Result<PlanPtr> always(const PlanPtr& plan, bool) {
  return kApply(plan);
}

// Literals before filters, filters before what they free of columns, marks of order before those who read them.
constexpr Rule kRules[] = {
    {"fold_constants", always<fold_constants>},
    {"merge_filters", always<merge_filters>},
    {"push_filter", always<push_filter>},
    {"outer_to_inner", always<outer_to_inner>},
    {"push_semi_join", always<push_semi_join>},
    {"merge_projects", always<merge_projects>},
    {"lift_limit", always<lift_limit>},
    {"push_limit", always<push_limit>},
    {"top_n", always<top_n>},
    {"push_projection", always<push_projection>},
    {"require_order", require_order},
    {"drop_sort", always<drop_sort>},
    {"join_order", always<join_order>},
    {"choose_build_side", always<choose_build_side>},
};

// Every rule removes something or moves it down, so a handful of rounds is enough; one that passes this many is our bug.
constexpr int kMaxRounds = 100;

}  // namespace

arrow::Result<PlanPtr> optimize(PlanPtr plan, bool ordered) {
  const char* last = "";
  for (int round = 0; round < kMaxRounds; ++round) {
    const PlanPtr before = plan;
    for (const Rule& rule : kRules) {
      ARROW_ASSIGN_OR_RAISE(PlanPtr next, rule.apply(plan, ordered));
      if (next != plan) last = rule.name;
      plan = std::move(next);
    }
    if (plan == before) return plan;
  }
  return base::internal_error(std::string("the optimiser did not come to an end; the last rule was ") + last);
}

}  // namespace gristmill::plan
