#include "sql/join_within.h"

#include <string>
#include <utility>

#include <arrow/type.h>

#include "base/status.h"
#include "gristmill/stream_time.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "sql/time_bounds.h"

namespace gristmill::sqltext {
namespace {

using plan::Plan;
using plan::PlanPtr;

bool is_time(const expr::Node& e, const Part& side) { return plan::is_column(e) && e.name == time_of(side); }

// The side with a column for each key, computed ones behind its own; their names.
arrow::Result<Part> with_keys(const Part& side, const std::vector<expr::NodePtr>& keys, std::vector<std::string>* names) {
  std::vector<expr::NodePtr> made;
  for (size_t k = 0; k < keys.size(); ++k) {
    const bool column = plan::is_column(*keys[k]);
    names->push_back(column ? keys[k]->name : "$key" + std::to_string(k));
    if (!column) made.push_back(expr::alias(plan::strip_aliases(keys[k]), names->back()));
  }
  if (made.empty()) return side;
  ARROW_ASSIGN_OR_RAISE(PlanPtr plan, plan::make_with_columns(side.plan, std::move(made)));
  return step(side, std::move(plan), time_of(side));
}

// The join's own columns of the pairs.
arrow::Result<Part> joined_pairs(const Plan& join, const Part& left, const Part& right, const std::string& lower,
                                 const std::string& upper) {
  StreamKeys keys;
  keys.suffix = "$right";
  ARROW_ASSIGN_OR_RAISE(const Part l, with_keys(left, join.left_keys, &keys.left_on));
  ARROW_ASSIGN_OR_RAISE(const Part r, with_keys(right, join.right_keys, &keys.right_on));
  const bool full = join.join == plan::JoinKind::kFull;
  const bool keep_left = full || join.join == plan::JoinKind::kLeft, keep_right = full || join.join == plan::JoinKind::kRight;
  ARROW_ASSIGN_OR_RAISE(const Part all, part_of(gristmill::interval_join(*l.stream, *r.stream, keys, lower, upper, keep_left, keep_right)));
  const int old_left = left.plan->schema->num_fields(), new_left = l.plan->schema->num_fields();
  std::vector<plan::NamedExpr> outputs;
  for (size_t i = 0; i < join.join_output.size(); ++i) {
    const int c = join.join_output[i];
    const auto& from = all.plan->schema->field(c < old_left ? c : new_left + c - old_left);
    outputs.push_back({join.schema->field(static_cast<int>(i))->name(), expr::column(from->name())});
  }
  const std::string time = renamed(all, outputs);
  ARROW_ASSIGN_OR_RAISE(PlanPtr shown, plan::project_node(all.plan, std::move(outputs)));
  return step(all, std::move(shown), time);
}

}  // namespace

arrow::Result<std::optional<Part>> join_within(const Plan& join, const Part& left, const Part& right,
                                               std::vector<expr::NodePtr>& conditions) {
  if (!left.stream || !right.stream || time_of(left).empty() || time_of(right).empty()) return std::nullopt;
  const arrow::DataType& time = *left.plan->schema->GetFieldByName(time_of(left))->type();
  if (!time.Equals(*right.plan->schema->GetFieldByName(time_of(right))->type())) return std::nullopt;
  const bool outer = join.join != plan::JoinKind::kInner;
  const int first_right = left.plan->schema->num_fields();
  const std::string left_time = outer ? "l." + time_of(left) : time_behind(join, left, 0);
  const std::string right_time = outer ? "r." + time_of(right) : time_behind(join, right, first_right);
  std::vector<expr::NodePtr> rest = conditions;
  TimeBounds within = take_time_bounds(rest, left_time, right_time, time);
  for (size_t k = 0; k < join.left_keys.size(); ++k) {
    if (!is_time(*join.left_keys[k], left) || !is_time(*join.right_keys[k], right)) continue;
    within.at_least(0);
    within.at_most(0);
  }
  if (!within.lower || !within.upper || (outer && !rest.empty())) return std::nullopt;
  if (*within.lower > *within.upper) {
    return base::plan_error("the conditions of the join let no time of one stream meet one of the other",
                            "write ON ... AND b.ts BETWEEN a.ts - interval '1 minute' AND a.ts + interval '5 minutes'");
  }
  conditions = std::move(rest);
  return joined_pairs(join, left, right, length_text(*within.lower, time), length_text(*within.upper, time));
}

}  // namespace gristmill::sqltext
