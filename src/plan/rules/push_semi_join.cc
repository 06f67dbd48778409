// A semi join goes down to the side of a join that it looks at, when it is guessed to take most of its rows away.
//
//   join semi on a = x: (join on b = c: l r) s   ->   join on b = c: (join semi on a = x: l s) r      (a of l)
//   join semi on a = x: (filter p: l) s          ->   stays: filters sink by themselves
//   join semi on a = x: (project: l) s           ->   project: (join semi on a' = x: l s)              (a a plain column)
//
// To either side of an inner join, to the left of a left or as-of join, if its right side has at most half the rows of that side, or no
// more than it where the join leaves no fewer: a semi join with many rows is better met by the few rows that the joins leave. Only
// when neither join can fail: fewer rows below would hide an error.

#include <arrow/type.h>

#include "expr/bind.h"
#include "plan/digits.h"
#include "plan/expressions.h"
#include "plan/nodes.h"
#include "plan/rules/rules.h"
#include "plan/rules/walk.h"
#include "plan/statistics.h"

namespace gristmill::plan {
namespace {

using expr::NodePtr;

constexpr int64_t kFewer = 2;

bool pays(const Plan& semi, const Plan& join, const Plan& side) {
  const auto kept = estimate_rows(*semi.inputs[1]).likely, rows = estimate_rows(side).likely;
  if (!kept || !rows) return false;
  if (*kept <= *rows / kFewer) return true;
  const auto joined = estimate_rows(join).likely;
  return joined && *kept <= *rows && *rows <= *joined;
}

NameSet left_columns(const Plan& semi) {
  NameSet left, right;
  for (const NodePtr& k : semi.left_keys) add_columns(*k, left);
  add_pair_columns(semi, left, right);
  return left;
}

// The semi join over another left side, whose columns are called as `names` says; it keeps all of them.
arrow::Result<PlanPtr> over(const Plan& semi, PlanPtr left, const Substitution& names) {
  JoinParts parts = join_parts(semi);
  for (NodePtr& k : parts.left_keys) k = substitute(k, names);
  if (parts.residual) {
    Substitution pair;
    for (const auto& [name, e] : names) pair.emplace("l." + name, expr::column("l." + e->name));
    parts.residual = substitute(parts.residual, pair);
  }
  parts.output.clear();
  parts.names = left->schema->field_names();
  for (int i = 0; i < left->schema->num_fields(); ++i) parts.output.push_back(i);
  ARROW_ASSIGN_OR_RAISE(PlanPtr below, join_node(std::move(left), semi.inputs[1], std::move(parts)));
  if (semi.ordered) return below;
  auto unordered = copy_node(*below);
  unordered->ordered = false;
  return PlanPtr(std::move(unordered));
}

// `below` with the columns that the semi join handed on.
arrow::Result<PlanPtr> shown(const Plan& semi, PlanPtr below) {
  if (below->schema->field_names() == semi.schema->field_names()) return below;
  return keep_columns(std::move(below), semi.schema->field_names());
}

arrow::Result<PlanPtr> past_join(const PlanPtr& semi, const Plan& join) {
  const bool left_only = join.join == JoinKind::kLeft || join.join == JoinKind::kAsof;
  if (join.join != JoinKind::kInner && !left_only) return semi;
  ARROW_ASSIGN_OR_RAISE(const bool fails, join_may_fail(join));
  if (fails) return semi;
  const arrow::Schema &left = *join.inputs[0]->schema, &right = *join.inputs[1]->schema;
  Substitution names[2];
  const NameSet used = left_columns(*semi);
  for (size_t i = 0; i < join.join_output.size(); ++i) {
    const std::string& name = join.schema->field(static_cast<int>(i))->name();
    if (!used.contains(name)) continue;
    const int c = join.join_output[i];
    const bool from_left = c < left.num_fields();
    names[from_left ? 0 : 1].emplace(name, expr::column((from_left ? left.field(c) : right.field(c - left.num_fields()))->name()));
  }
  if (used.empty() || (!names[0].empty() && !names[1].empty()) || (left_only && names[0].empty())) return semi;
  const size_t side = names[0].empty() ? 1 : 0;
  if (!pays(*semi, join, *join.inputs[side])) return semi;
  std::vector<PlanPtr> inputs = join.inputs;
  ARROW_ASSIGN_OR_RAISE(inputs[side], over(*semi, inputs[side], names[side]));
  ARROW_ASSIGN_OR_RAISE(PlanPtr out, with_inputs(join, std::move(inputs)));
  return shown(*semi, std::move(out));
}

arrow::Result<PlanPtr> past_project(const PlanPtr& semi, const Plan& project) {
  ARROW_ASSIGN_OR_RAISE(const bool fails, any_fallible(project.exprs, *project.inputs[0]));
  if (fails || !check_unique(*project.schema).ok()) return semi;
  Substitution names;
  const NameSet used = left_columns(*semi);
  for (const NamedExpr& e : project.exprs) {
    if (!used.contains(e.name)) continue;
    if (!is_column(e)) return semi;
    names.emplace(e.name, e.expr);
  }
  ARROW_ASSIGN_OR_RAISE(PlanPtr below, over(*semi, project.inputs[0], names));
  ARROW_ASSIGN_OR_RAISE(PlanPtr out, project_node(std::move(below), project.exprs));
  if (!project.ordered) {
    auto unordered = copy_node(*out);
    unordered->ordered = false;
    out = std::move(unordered);
  }
  return shown(*semi, std::move(out));
}

arrow::Result<PlanPtr> push(const PlanPtr& p) {
  if (p->kind != PlanKind::kJoin || p->join != JoinKind::kSemi) return p;
  ARROW_ASSIGN_OR_RAISE(const bool fails, join_may_fail(*p));
  if (fails) return p;
  const Plan& below = *p->inputs[0];
  PlanPtr out = p;
  if (below.kind == PlanKind::kJoin) {
    ARROW_ASSIGN_OR_RAISE(out, past_join(p, below));
  } else if (below.kind == PlanKind::kProject && below.inputs[0]->kind == PlanKind::kJoin) {
    ARROW_ASSIGN_OR_RAISE(out, past_project(p, below));
  }
  return out->schema->Equals(*p->schema) ? out : p;
}

}  // namespace

arrow::Result<PlanPtr> push_semi_join(const PlanPtr& plan) { return rewrite_bottom_up(plan, push); }

}  // namespace gristmill::plan
